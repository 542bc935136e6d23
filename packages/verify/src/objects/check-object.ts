import { createHash, hash as hashOnce } from 'node:crypto';
import type { Transform } from 'node:stream';
import { crc32, createInflateRaw, createZstdDecompress } from 'node:zlib';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { counted } from '../../../evidence/src/counted.ts';
import { createLineTree } from '../../../evidence/src/line-tree.ts';
import {
  type Archive,
  ArchiveError,
  awaitRetry,
  type FileLock,
  FileRefusedError,
  type FilledMemory,
  tries,
} from '../archive/archive.ts';
import { broken, type Finding, partly } from '../finding.ts';
import { listedAndMissing } from '../log/read-file.ts';
import { createEventCheck, type EventCheck } from './check-events.ts';
import { readGzipFrame } from './gzip-frame.ts';
import type { IdFilter } from './id-filter.ts';
import { createLineSearch, type LineSearch, type MetLine } from './line-search.ts';

const chunkSize = 64 * 1024;
const growBytes = 1024 * 1024;
/** An exporter's objects have a few megabytes. A lie of the log must not ask for all the memory. */
const mostBytes = 1024 ** 3;

/** Checks one object at a time. `wanted`: the ids of events that are looked for in it. */
export type ObjectCheck = (entry: BatchEntry, wanted: ReadonlySet<string>) => Promise<CheckedObject>;

/**
 * Levels `content` and `events`: reads an object and compares every byte of it with its entry. Memory holds the compressed
 * object, whose length the log bounds. The same memory is used for all objects. V8 collects memory outside of its heap only
 * after 64 MB of it in each thread.
 */
export function createObjectCheck(archive: Archive, ids: IdFilter | null): ObjectCheck {
  const memory = createMemory();
  return async (entry, wanted) => {
    const events = ids && createEventCheck(entry, ids);
    const met = wanted.size === 0 ? null : createLineSearch(wanted);
    try {
      const { findings, lock } = await compareObject(archive, entry, { memory, events, met });
      return { isRead: true, findings, lock, suspects: events?.suspects ?? [], met: met?.lines ?? [] };
    } catch (error) {
      if (!(error instanceof FileRefusedError)) throw error;
      const refused = partly('unreadable', entry.key, `Not checked. ${error.message}`);
      return { isRead: false, findings: [refused], lock: null, suspects: [], met: [] };
    }
  };
}

/** What compressed objects are read into. It grows to the longest one. */
interface ObjectMemory {
  /** Ends the use of the bytes that were taken before. */
  take(bytes: number): Buffer;
}

function createMemory(): ObjectMemory {
  let all = new ArrayBuffer(0);
  return {
    take(bytes) {
      // In steps, because objects have almost the same length.
      if (all.byteLength < bytes) all = all.transfer(Math.ceil(bytes / growBytes) * growBytes);
      return Buffer.from(all, 0, bytes);
    },
  };
}

export interface CheckedObject {
  /** False: this object cannot be read, and others can. Nothing is known about it. */
  readonly isRead: boolean;
  readonly findings: readonly Finding[];
  readonly lock: FileLock | null;
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

async function compareObject(
  archive: Archive,
  entry: BatchEntry,
  { memory, ...lookers }: Lookers & { readonly memory: ObjectMemory },
): Promise<{ readonly findings: readonly Finding[]; readonly lock: FileLock | null }> {
  const { objectBytes } = entry;
  if (objectBytes > mostBytes)
    throw new FileRefusedError(`The log says ${objectBytes} bytes; at most ${mostBytes} are read.`);
  const { lock, ...read } = await readWhole(archive, entry, memory);
  return { findings: await compareBytes(read, entry, lookers), lock };
}

async function compareBytes(
  { object, more }: Pick<ObjectBytes, 'object' | 'more'>,
  entry: BatchEntry,
  lookers: Lookers,
): Promise<Finding[]> {
  const { key } = entry;
  const sha256 = hashOnce('sha256', object, 'hex');
  // What a changed object holds is no evidence, so it is not unpacked.
  if (sha256 !== entry.objectSha256)
    return [broken('object-changed', key, `It has the sha256 ${sha256}; the log says ${entry.objectSha256}.`)];
  if (more > 0)
    return [
      broken(
        'gzip-extra',
        key,
        `At least ${more} bytes follow the logged object. Some readers read them, and some do not.`,
      ),
    ];
  return checkLines(object, entry, lookers);
}

/**
 * Reads an object again when fewer bytes arrive than the log says: a network or a proxy may have cut the answer, also as if it
 * were whole. An object that is short each time is changed. A listing has shown the object, and some stores list one before they hand it
 * out. Throws FileRefusedError when it is never read.
 */
async function readWhole(
  archive: Archive,
  { key, objectBytes }: BatchEntry,
  memory: ObjectMemory,
): Promise<ObjectBytes> {
  const object = memory.take(objectBytes);
  for (let done = 1; ; done += 1) {
    let refusal: string | null = null;
    try {
      const filled = await archive.readInto(key, object);
      if (filled !== null && (filled.kept === objectBytes || done === tries))
        return { ...filled, object: object.subarray(0, filled.kept) };
      if (filled === null) refusal = listedAndMissing;
    } catch (error) {
      if (error instanceof ArchiveError) throw error;
      refusal = `It cannot be read to its end: ${(error as Error).message}.`;
    }
    if (refusal === null) continue;
    if (done === tries) throw new FileRefusedError(refusal);
    await awaitRetry(done);
  }
}

interface ObjectBytes extends FilledMemory {
  readonly object: Buffer;
}

async function checkLines(object: Buffer, entry: BatchEntry, lookers: Lookers): Promise<Finding[]> {
  const { key } = entry;
  const lines = await unpack(object, entry, lookers);
  if (typeof lines === 'string') return [broken('unreadable', key, lines)];
  const findings: Finding[] = [];
  const { rows, sha256, root, bytes, extra } = lines;
  if (extra !== 0)
    findings.push(broken('gzip-extra', key, `${extra} bytes follow the first gzip member of the logged object.`));
  if (rows !== entry.rows)
    findings.push(broken('rows', key, `It has ${counted(rows, 'line')}; the log says ${entry.rows}.`));
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

function lookAt({ events, met }: Lookers): LineSearch['look'] {
  return (line, completed) => {
    events?.look(line);
    met?.look(line, completed);
  };
}

/** A sentence when the object cannot be unpacked. Node joins gzip members in silence, so the frame is read by hand. */
async function unpack(object: Buffer, entry: BatchEntry, lookers: Lookers): Promise<Lines | string> {
  const isZstd = entry.key.endsWith('.zst');
  const frame = isZstd ? { start: 0 } : readGzipFrame(object);
  if (frame === null) return 'It is not a gzip file.';
  const unpacker: Transform & { bytesWritten?: number } = isZstd
    ? createZstdDecompress({ chunkSize })
    : createInflateRaw({ chunkSize });
  const hash = createHash('sha256');
  const tree = createLineTree(lookAt(lookers));
  let [bytes, crc] = [0, 0];
  let last: Buffer | null = null;
  unpacker.end(object.subarray(frame.start));
  try {
    for await (const part of unpacker as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > entry.bytes) return `It unpacks to more than the ${entry.bytes} bytes that the log says.`;
      hash.update(part);
      if (!isZstd) crc = crc32(part, crc);
      tree.add(part);
      if (part.length === chunkSize) free(part);
      else last = part;
    }
    // The unpacker writes no more into it.
    if (last) free(last);
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

/** Gives the memory of an unpacked chunk back at once. The unpacker must not write into it any more. */
function free({ buffer }: Buffer): void {
  if (buffer.byteLength === chunkSize && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
