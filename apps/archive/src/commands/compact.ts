import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import { partitionEndMs } from '@auditbox/core/export/partition.ts';
import { findLogPlaces } from '@auditbox/db/archive/find-log-places.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import type { Archive } from '../bucket/archive.ts';
import type { ArchiveObject } from '../bucket/archive-object.ts';
import { openObjectCache } from '../cache/object-cache.ts';
import type { CommandParts } from '../command-parts.ts';
import { checkFile } from '../compact/check-file.ts';
import { doneKey, type Manifest, manifestKey, readManifests } from '../compact/manifest.ts';
import { type CheckedFile, type CompactParts, type FileLimits, hashObjects, writeFile } from '../compact/write-file.ts';
import { openDuckDb } from '../duckdb/open-duckdb.ts';
import { createParquetWriter } from '../parquet/parquet-writer.ts';
import type { ArchiveSettings } from '../settings.ts';

export interface CompactCommand {
  readonly kind: 'compact';
  /** `2026-07-03`. */
  readonly day: string;
  /** How long a day must be over, because late events are filed under it. */
  readonly closedAfterHours: number;
  /** Most compressed bytes of the objects of one file. The file is held in memory while it is stored. */
  readonly maxFileBytes: number;
  readonly json: boolean;
}

const anHourMs = 3_600_000;

/** DuckDB holds a row group for each thread. A second thread saves no time, because this process needs longer to read the lines. */
const threads = 1;

/** Lines have about ten times the bytes of their objects. Lines that compress much better could fill the disk. */
const mostLineBytesPerByte = 16;

/**
 * Writes the events of a day that no file covers yet to files of Parquet. The objects stay, and nothing is replaced: late
 * objects get another file. Resolves to the exit code.
 *
 * Where it can die: anywhere. The manifest is stored before its file, so the next run first finishes what was begun.
 */
export async function compact(
  parts: CommandParts,
  { day, closedAfterHours, maxFileBytes, json }: CompactCommand,
): Promise<number> {
  const { archive, settings, progress, write, signal } = parts;
  const openHours = (Date.now() - partitionEndMs(day)) / anHourMs;
  if (openHours < closedAfterHours)
    throw new ArchiveError(
      `${day} is not closed: it must be over for ${closedAfterHours} hours (--closed-after).`,
      exitCodes.refused,
    );
  const cache = await openObjectCache(settings.cache.folder, settings.cache.maxBytes);
  try {
    const duckdb = await openDuckDb({ folder: cache.folder, memoryMb: settings.memoryMb, threads });
    const writer = await createParquetWriter(duckdb, cache.folder, signal);
    const { folder } = cache;
    const limits = {
      maxRows: 1_000_000,
      maxBytes: maxFileBytes * mostLineBytesPerByte,
      // While it is written, a row group takes several times its bytes.
      maxGroupBytes: (settings.memoryMb * 1024 * 1024) / 5,
    };
    const given = { day, maxFileBytes, limits, parquetPrefix: settings.parquetPrefix };
    const findPlaces = (objects: readonly ArchiveObject[]) => askDatabase(settings, objects);
    const tools: CompactParts = { archive, duckdb, writer, folder, progress, signal, findLogPlaces: findPlaces };
    try {
      const files: string[] = [];
      for (let made = await makeNext(tools, given); made !== null; made = await makeNext(tools, given)) {
        signal.throwIfAborted();
        files.push(made);
      }
      write(
        json
          ? `${JSON.stringify({ day, files })}\n`
          : files.length === 0
            ? `${day}: nothing new.\n`
            : files.map((file) => `${file}\n`).join(''),
      );
      return exitCodes.done;
    } finally {
      await writer.close();
      duckdb.close();
    }
  } finally {
    await cache.close();
  }
}

interface DayToCompact {
  readonly day: string;
  readonly maxFileBytes: number;
  readonly limits: FileLimits;
  readonly parquetPrefix: string;
}

/**
 * Finishes a file that was begun, or makes the next one. Resolves to its key; null when all objects of the day are covered. `lost`: the
 * number that another run has taken.
 */
async function makeNext(tools: CompactParts, given: DayToCompact, lost = 0): Promise<string | null> {
  const { day, maxFileBytes, limits, parquetPrefix } = given;
  const { archive } = tools;
  const manifests = await readManifests(archive, parquetPrefix, () => true, day);
  const objects = await listDay(archive, day);
  const begun = manifests.find(({ done }) => done === null)?.manifest;
  if (begun !== undefined) {
    const wanted = new Set(begun.objects.map(({ path }) => path));
    const checked = await writeFile(
      tools,
      objects.filter(({ path }) => wanted.has(path)),
      null,
    );
    if (hashObjects(checked.covered) !== hashObjects(begun.objects))
      throw new ArchiveError(`The objects of ${begun.file} are not those of its manifest.`, exitCodes.altered);
    await store(tools, parquetPrefix, begun, checked);
    return begun.file;
  }
  const covered = new Set(manifests.flatMap(({ manifest }) => manifest.objects.map(({ path }) => path)));
  const group = takeGroup(
    objects.filter(({ path }) => !covered.has(path)),
    maxFileBytes,
  );
  if (group.length === 0) return null;
  const checked = await writeFile(tools, group, limits);
  const number = manifests.length + 1;
  const name = `${String(number).padStart(4, '0')}_${hashObjects(checked.covered).slice(0, 12)}`;
  const manifest: Manifest = {
    format: 'auditbox-parquet v1',
    day,
    number,
    file: `${parquetPrefix}${group[0]?.folder ?? ''}dt=${day}/${name}.parquet`,
    rows: checked.rows,
    objects: checked.covered,
  };
  const claimed = await createJson(archive, manifestKey(parquetPrefix, day, number), manifest);
  // Another run was quicker: its manifest may cover some of these objects.
  if (claimed === 'exists' && number === lost)
    throw new ArchiveError(
      `${manifestKey(parquetPrefix, day, number)} exists and is not listed. Find out why the store hides it.`,
    );
  if (claimed === 'exists') return makeNext(tools, given, number);
  await store(tools, parquetPrefix, manifest, checked);
  return manifest.file;
}

async function listDay(archive: Archive, day: string): Promise<ArchiveObject[]> {
  const objects: ArchiveObject[] = [];
  for await (const object of archive.list({ from: `${day}T00:00:00.000000Z`, to: `${day}T23:59:59.999999Z` }))
    objects.push(object);
  return objects;
}

function takeGroup(objects: readonly ArchiveObject[], maxBytes: number): ArchiveObject[] {
  let bytes = 0;
  // A file lies in the folder of its objects, so it holds one tenant's events where they do.
  const end = objects.findIndex((object) => {
    bytes += object.bytes;
    return bytes > maxBytes || object.folder !== objects[0]?.folder;
  });
  return objects.slice(0, end === -1 ? undefined : Math.max(1, end));
}

async function store(
  tools: CompactParts,
  parquetPrefix: string,
  manifest: Manifest,
  checked: CheckedFile,
): Promise<void> {
  const { archive, duckdb, folder, signal } = tools;
  const { file, day, number } = manifest;
  const metadata = { rows: String(manifest.rows), sha256: checked.sha256 };
  const stored = await archive.create({
    key: file,
    body: checked.body,
    contentType: 'application/vnd.apache.parquet',
    metadata,
  });
  let { sha256, body } = checked;
  if (stored === 'exists') {
    // A run before stored it and died. Another version may have written other bytes, so its content is compared.
    const path = join(folder, 'stored.parquet');
    await archive.download(file, path);
    await checkFile(duckdb, path, manifest.objects, signal);
    body = await readFile(path);
    sha256 = createHash('sha256').update(body).digest('hex');
  }
  await createJson(archive, doneKey(parquetPrefix, day, number), { sha256, bytes: body.length });
}

async function createJson(archive: Archive, key: string, value: object): Promise<'created' | 'exists'> {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  return archive.create({ key, body, contentType: 'application/json', metadata: {} });
}

/** Where DATABASE_URL is set. */
async function askDatabase({ database }: ArchiveSettings, objects: readonly ArchiveObject[]) {
  if (database === null) return new Map<string, number>();
  const options = { application: 'auditbox archive', maxConnections: 1, statementTimeoutMs: 60_000 };
  const db = connectDatabase({ ...database, ...options, onlyReads: 'any' });
  try {
    return await findLogPlaces(
      db,
      archiveDestination,
      objects.map(({ batchId }) => batchId),
    );
  } finally {
    await db.close(1_000);
  }
}
