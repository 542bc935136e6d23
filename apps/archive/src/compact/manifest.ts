import { z } from 'zod';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import type { Archive } from '../bucket/archive.ts';

/*
 * What a file of Parquet covers. The numbers of a day's manifests have no gap, and each manifest is created under a number
 * that nobody else has: so two runs never cover the same object, and all files together hold each event once.
 *
 *   <parquet prefix>_manifests/dt=2026-07-03/0001.json       written first: which objects the file covers
 *   <parquet prefix>dt=2026-07-03/0001_<12 hex>.parquet
 *   <parquet prefix>_manifests/dt=2026-07-03/0001.done.json  written last: the file is there and was checked
 */

const count = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const coveredSchema = z.object({
  /** Relative to the prefix of the archive, as in the log. */
  path: z.string(),
  rows: count,
  /** Of the lines. */
  sha256,
  objectSha256: sha256,
  /** Its place in the signed log; null where that is not known. */
  logIndex: count.nullable(),
});

const manifestSchema = z.object({
  format: z.literal('auditbox-parquet v1'),
  day: z.iso.date(),
  number: count,
  /** The key of the file of Parquet. */
  file: z.string(),
  rows: count,
  objects: z.array(coveredSchema).readonly(),
});

/** The file as it was stored. */
const doneSchema = z.object({ sha256, bytes: count });

export type CoveredObject = Readonly<z.output<typeof coveredSchema>>;
export type Manifest = Readonly<z.output<typeof manifestSchema>>;
type Done = Readonly<z.output<typeof doneSchema>>;

export interface StoredManifest {
  readonly manifest: Manifest;
  /** Null when the run that wrote the manifest died before the file was checked and stored. */
  readonly done: Done | null;
}

function manifestFolder(parquetPrefix: string): string {
  return `${parquetPrefix}_manifests/`;
}

export function manifestKey(parquetPrefix: string, day: string, number: number): string {
  return `${manifestFolder(parquetPrefix)}dt=${day}/${String(number).padStart(4, '0')}.json`;
}

export function doneKey(parquetPrefix: string, day: string, number: number): string {
  return manifestKey(parquetPrefix, day, number).replace(/json$/, 'done.json');
}

/** The manifests of the days that `isWanted`, in the order of days and numbers. */
export async function readManifests(
  archive: Archive,
  parquetPrefix: string,
  isWanted: (day: string) => boolean,
  onlyDay = '',
): Promise<StoredManifest[]> {
  const folder = `${manifestFolder(parquetPrefix)}${onlyDay === '' ? '' : `dt=${onlyDay}/`}`;
  const keys = (await archive.listKeys(folder)).filter((key) => isWanted(/dt=([\d-]{10})\//.exec(key)?.[1] ?? ''));
  const there = new Set(keys);
  const manifests: StoredManifest[] = [];
  for (const key of keys) {
    if (!/\/\d{4}\.json$/.test(key)) continue;
    const manifest = await readJson(archive, key, manifestSchema);
    const end = key.replace(/json$/, 'done.json');
    manifests.push({ manifest, done: there.has(end) ? await readJson(archive, end, doneSchema) : null });
  }
  return manifests;
}

/** Anybody who may write to the bucket can write a manifest. */
async function readJson<T>(archive: Archive, key: string, schema: z.ZodType<T>): Promise<T> {
  const text = (await archive.read(key))?.toString();
  try {
    return schema.parse(JSON.parse(text ?? 'null'));
  } catch {
    throw new ArchiveError(`${key} is not a manifest. --no-parquet reads only the objects.`, exitCodes.altered);
  }
}
