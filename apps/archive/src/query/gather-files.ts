import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { counted } from '@auditbox/core/text/counted.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import type { Archive } from '../bucket/archive.ts';
import type { ArchiveObject } from '../bucket/archive-object.ts';
import { mayHold, type TimeRange } from '../bucket/time-range.ts';
import type { ObjectCache } from '../cache/object-cache.ts';
import { readManifests, type StoredManifest } from '../compact/manifest.ts';
import type { DuckDb } from '../duckdb/open-duckdb.ts';
import { createParquetWriter, parquetVersion } from '../parquet/parquet-writer.ts';
import type { Progress } from '../progress.ts';

/** Objects that are fetched at once. */
const workers = 4;

/** More than these would need a gigabyte to list. */
const maxObjects = 200_000;

interface GatherParts {
  readonly archive: Archive;
  readonly cache: ObjectCache;
  readonly duckdb: DuckDb;
  readonly maxBytes: number;
  readonly progress: Progress;
  /** Null reads no compacted files. */
  readonly parquetPrefix: string | null;
  readonly signal: AbortSignal;
}

export interface Gathered {
  readonly objects: number;
  /** Of these, as many are read from compacted files. */
  readonly compacted: number;
  readonly bytes: number;
}

/** Puts the events of the range into the cache's folder as files of Parquet: each event is in exactly one of them. */
export async function gatherFiles(parts: GatherParts, range: TimeRange): Promise<Gathered> {
  const { archive, parquetPrefix } = parts;
  const objects = await listAll(archive, range);
  const compacted =
    parquetPrefix === null ? [] : await readManifests(archive, parquetPrefix, (day) => mayHold(range, day));
  const wanted = new Set(objects.map(({ path }) => path));
  const usable = compacted.filter(
    ({ done, manifest }) => done && manifest.objects.some(({ path }) => wanted.has(path)),
  );
  const covered = new Set(usable.flatMap(({ manifest }) => manifest.objects.map(({ path }) => path)));
  const single = objects.filter(({ path }) => !covered.has(path));
  const bytes =
    single.reduce((sum, object) => sum + object.bytes, 0) +
    usable.reduce((sum, { done }) => sum + (done?.bytes ?? 0), 0);
  if (bytes > parts.maxBytes)
    throw new ArchiveError(
      `In this range, ${counted(objects.length, 'object has', 'objects have')} ${bytes} bytes, and ARCHIVE_CACHE_MAX_BYTES is ${parts.maxBytes}. Give a narrower --from and --to, or a larger cache.`,
      exitCodes.refused,
    );
  for (const file of usable) await useCompacted(parts, file);
  await useObjects(parts, single, bytes);
  return { objects: objects.length, compacted: objects.length - single.length, bytes };
}

async function listAll(archive: Archive, range: TimeRange): Promise<ArchiveObject[]> {
  const objects: ArchiveObject[] = [];
  for await (const object of archive.list(range)) {
    objects.push(object);
    if (objects.length > maxObjects)
      throw new ArchiveError(
        `The range has more than ${maxObjects} objects. Give a narrower --from and --to.`,
        exitCodes.refused,
      );
  }
  return objects;
}

async function useObjects(
  { archive, cache, duckdb, progress, signal }: GatherParts,
  objects: readonly ArchiveObject[],
  bytes: number,
) {
  const waiting = objects.values();
  let [done, doneBytes] = [0, 0];
  let hasFailed = false;
  async function work(): Promise<void> {
    const writer = await createParquetWriter(duckdb, cache.folder, signal);
    try {
      for (const object of waiting) {
        if (hasFailed) return;
        await cache.use(`v${parquetVersion}\n${object.key}\n${object.etag}`, async (path) => {
          await writer.discard();
          writer.startObject(object.path);
          await archive.readLines(object, writer.addLine);
          await writer.write(path);
        });
        done += 1;
        doneBytes += object.bytes;
        progress(() => `Fetched ${done} of ${counted(objects.length, 'object')}, ${doneBytes} of ${bytes} bytes.`);
      }
    } finally {
      await writer.close();
    }
  }
  const workUntilFailure = () =>
    work().catch((error: unknown) => {
      hasFailed = true;
      throw error;
    });
  // All of them end before the first failure is told: the folder that they write to is removed then.
  const ended = await Promise.allSettled(Array.from({ length: Math.min(workers, objects.length) }, workUntilFailure));
  for (const { reason } of ended.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]) throw reason;
}

async function useCompacted(
  { archive, cache, progress }: GatherParts,
  { manifest, done }: StoredManifest,
): Promise<void> {
  progress(() => `Fetching ${manifest.file}.`);
  const path = await cache.use(`${manifest.file}\n${done?.sha256}`, (file) => archive.download(manifest.file, file));
  const sha256 = createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
  if (sha256 !== done?.sha256)
    throw new ArchiveError(
      `${manifest.file} is not the file that its manifest describes. Read the objects themselves with --no-parquet.`,
      exitCodes.altered,
    );
}
