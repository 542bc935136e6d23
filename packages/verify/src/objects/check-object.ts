import { createHash, hash as hashOnce } from 'node:crypto';
import type { Readable, Transform } from 'node:stream';
import { crc32, createInflateRaw, createZstdDecompress } from 'node:zlib';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { createLineTree } from '../../../evidence/src/line-tree.ts';
import { type Archive, ArchiveError } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';
import { createEventCheck, type EventCheck } from './check-events.ts';
import { readGzipFrame } from './gzip-frame.ts';
import type { IdFilter } from './id-filter.ts';
import { createLineSearch, type LineSearch, type MetLine } from './line-search.ts';

const chunkSize = 256 * 1024;

/**
 * Levels `content` and `events`: reads an object and compares every byte of it with its entry. Memory holds the compressed
 * object, whose length the log bounds.
 */
export async function checkObject(
  archive: Archive,
  entry: BatchEntry,
  { ids, receipted }: { readonly ids: IdFilter | null; readonly receipted: readonly string[] },
): Promise<CheckedObject> {
  const events = ids && createEventCheck(entry, ids);
  const met = receipted.length === 0 ? null : createLineSearch(receipted);
  const findings = await compareObject(archive, entry, { events, met });
  return { findings, suspects: events?.suspects ?? [], met: met?.lines ?? [] };
}

export interface CheckedObject {
  readonly findings: readonly Finding[];
  /** Ids that may have come before. */
  readonly suspects: readonly string[];
  /** The events that were looked for, each with the leaf hash of its line. */
  readonly met: readonly MetLine[];
}

/** Who looks at the lines, in addition to the tree over them. */
interface Lookers {
  readonly events: EventCheck | null;
  readonly met: LineSearch | null;
}

async function compareObject(archive: Archive, entry: BatchEntry, lookers: Lookers): Promise<Finding[]> {
  const { key } = entry;
  const read = await readWhole(archive, entry);
  if (read === null) return [broken('object-missing', key, `Entry ${entry.index} of the log names it.`)];
  const { object, more } = read;
  const sha256 = hashOnce('sha256', object, 'hex');
  // What a changed object holds is no evidence, so it is not unpacked.
  if (sha256 !== entry.objectSha256)
    return [broken('object-changed', key, `It has the sha256 ${sha256}; the log says ${entry.objectSha256}.`)];
  if (more > 0)
    return [
      broken('gzip-extra', key, `${more} bytes follow the logged object. Some readers read them, and some do not.`),
    ];
  return checkLines(object, entry, lookers);
}

const tries = 3;

/**
 * Reads an object again when fewer bytes arrive than the log says: a network or a proxy may have cut the answer, also as if it
 * were whole. An object that is short each time is changed. Null when it is missing.
 */
async function readWhole(archive: Archive, { key, objectBytes }: BatchEntry): Promise<ObjectBytes | null> {
  for (let left = tries; ; left -= 1) {
    const stream = await archive.stream(key);
    if (stream === null) return null;
    try {
      const read = await readUpTo(stream, objectBytes);
      if (read.object.length === objectBytes || left === 1) return read;
    } catch (error) {
      if (left === 1) throw new ArchiveError(`${key} cannot be read to its end: ${(error as Error).message}.`);
    }
  }
}

interface ObjectBytes {
  readonly object: Buffer;
  /** How many bytes follow. */
  readonly more: number;
}

/** The first bytes of a stream, and how many bytes follow. */
async function readUpTo(stream: Readable, most: number): Promise<ObjectBytes> {
  const parts: Buffer[] = [];
  let kept = 0;
  let more = 0;
  for await (const part of stream as AsyncIterable<Buffer>) {
    const wanted = part.subarray(0, most - kept);
    kept += wanted.length;
    more += part.length - wanted.length;
    if (wanted.length > 0) parts.push(wanted);
  }
  return { object: parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts), more };
}

async function checkLines(object: Buffer, entry: BatchEntry, lookers: Lookers): Promise<Finding[]> {
  const { key } = entry;
  const lines = await unpack(object, entry, lookers);
  if (typeof lines === 'string') return [broken('unreadable', key, lines)];
  const findings: Finding[] = [];
  const { rows, sha256, root, bytes, extra } = lines;
  if (extra !== 0)
    findings.push(broken('gzip-extra', key, `${extra} bytes follow the first gzip member of the logged object.`));
  if (rows !== entry.rows) findings.push(broken('rows', key, `It has ${rows} lines; the log says ${entry.rows}.`));
  if (sha256 !== entry.sha256 || bytes !== entry.bytes)
    findings.push(broken('object-changed', key, `Its lines have the sha256 ${sha256}; the log says ${entry.sha256}.`));
  if (root !== entry.lines)
    findings.push(broken('lines-root', key, `Its lines have the root ${root}; the log says ${entry.lines}.`));
  return [...findings, ...(lookers.events?.end() ?? [])];
}

interface Lines {
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly root: string;
  /** Bytes behind the first gzip member. */
  readonly extra: number;
}

/** A sentence when the object cannot be unpacked. Node joins gzip members in silence, so the frame is read by hand. */
async function unpack(object: Buffer, entry: BatchEntry, { events, met }: Lookers): Promise<Lines | string> {
  const isZstd = entry.key.endsWith('.zst');
  const frame = isZstd ? { start: 0 } : readGzipFrame(object);
  if (frame === null) return 'It is not a gzip file.';
  const unpacker: Transform & { bytesWritten?: number } = isZstd
    ? createZstdDecompress({ chunkSize })
    : createInflateRaw({ chunkSize });
  const hash = createHash('sha256');
  const tree = createLineTree(met?.look);
  let [bytes, crc] = [0, 0];
  unpacker.end(object.subarray(frame.start));
  try {
    for await (const part of unpacker as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > entry.bytes) return `It unpacks to more than the ${entry.bytes} bytes that the log says.`;
      hash.update(part);
      if (!isZstd) crc = crc32(part, crc);
      tree.add(part);
      events?.add(part);
    }
  } catch (error) {
    return `It cannot be unpacked: ${(error as Error).message}.`;
  }
  if (tree.isCut) return 'Its last line has no end.';
  const used = { rows: tree.lines, bytes, sha256: hash.digest('hex'), root: tree.root() };
  if (isZstd) return { ...used, extra: 0 };
  const end = frame.start + (unpacker.bytesWritten ?? 0);
  if (object.length < end + 8) return 'Its end is cut off.';
  if (object.readUInt32LE(end) !== crc || object.readUInt32LE(end + 4) !== bytes % 2 ** 32)
    return 'The checksum at its end is not of its content.';
  return { ...used, extra: object.length - end - 8 };
}
