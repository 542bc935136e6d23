import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { counted } from '@auditbox/core/text/counted.ts';
import type { Archive } from '../bucket/archive.ts';
import type { ArchiveObject } from '../bucket/archive-object.ts';
import type { DuckDb } from '../duckdb/open-duckdb.ts';
import { type ParquetWriter, rowGroupRows } from '../parquet/parquet-writer.ts';
import type { Progress } from '../progress.ts';
import { checkFile } from './check-file.ts';
import type { CoveredObject } from './manifest.ts';

export interface CompactParts {
  readonly archive: Archive;
  readonly duckdb: DuckDb;
  readonly writer: ParquetWriter;
  readonly folder: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** The places of objects in the log, by key; those that are not known are missing. */
  readonly findLogPlaces: (objects: readonly ArchiveObject[]) => Promise<ReadonlyMap<string, number>>;
}

/** A file of Parquet that was compared with its objects, and is not stored yet. */
export interface CheckedFile {
  readonly body: Buffer;
  readonly sha256: string;
  readonly covered: readonly CoveredObject[];
  readonly rows: number;
}

/** A file ends early, after the object that reaches one of these limits. */
export interface FileLimits {
  /** Memory holds a key of each line. */
  readonly maxRows: number;
  /** Bytes of the lines. To sort them needs two to three times as many bytes on the disk. */
  readonly maxBytes: number;
  /** Bytes of the lines of a row group. DuckDB holds a row group in memory. */
  readonly maxGroupBytes: number;
}

/** Writes the events of objects to one file, and compares it with them. Nothing is stored. Without limits the file covers all objects. */
export async function writeFile(
  parts: CompactParts,
  objects: readonly ArchiveObject[],
  limits: FileLimits | null,
): Promise<CheckedFile> {
  const { archive, duckdb, writer, folder, progress, signal } = parts;
  await writer.discard();
  const contents = [];
  let [lines, bytes] = [0, 0];
  for (const [at, object] of objects.entries()) {
    progress(() => `Read ${at} of ${counted(objects.length, 'object')}.`);
    writer.startObject(object.path);
    const content = await archive.readLines(object, writer.addLine);
    contents.push({ object, content });
    lines += content.rows;
    bytes += content.ndjsonBytes;
    const groupBytes = bytes * Math.min(1, rowGroupRows / lines);
    if (limits === null) continue;
    if (lines >= limits.maxRows || bytes >= limits.maxBytes || groupBytes >= limits.maxGroupBytes) break;
  }
  const places = await parts.findLogPlaces(contents.map(({ object }) => object));
  const covered = contents.map(({ object, content }) => ({
    path: object.path,
    rows: content.rows,
    sha256: content.sha256,
    objectSha256: content.objectSha256,
    logIndex: places.get(object.key) ?? null,
  }));
  const rows = covered.reduce((sum, one) => sum + one.rows, 0);
  const file = join(folder, 'compacted.parquet');
  await rm(file, { force: true });
  await writer.write(file, { 'auditbox.objects': hashObjects(covered), 'auditbox.rows': String(rows) });
  progress(() => `Comparing ${counted(rows, 'row')} with the objects.`);
  await checkFile(duckdb, file, covered, signal);
  const body = await readFile(file);
  return { body, sha256: createHash('sha256').update(body).digest('hex'), covered, rows };
}

/** Of the content of the objects. The bytes of a file of Parquet depend on the version of its writer, and this does not. */
export function hashObjects(objects: readonly CoveredObject[]): string {
  const hash = createHash('sha256');
  for (const { path, sha256 } of objects) hash.update(`${path} ${sha256}\n`);
  return hash.digest('hex');
}
