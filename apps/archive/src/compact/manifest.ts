import type { Archive } from '../bucket/archive.ts';

/*
 * What a file of Parquet covers. The numbers of a day's manifests have no gap, and each manifest is created under a number
 * that nobody else has: so two runs never cover the same object, and all files together hold each event once.
 *
 *   <parquet prefix>_manifests/dt=2026-07-03/0001.json       written first: which objects the file covers
 *   <parquet prefix>dt=2026-07-03/0001_<12 hex>.parquet
 *   <parquet prefix>_manifests/dt=2026-07-03/0001.done.json  written last: the file is there and was checked
 */

export interface Manifest {
  readonly format: 'auditbox-parquet v1';
  readonly day: string;
  readonly number: number;
  /** The key of the file of Parquet. */
  readonly file: string;
  readonly rows: number;
  readonly objects: readonly CoveredObject[];
}

export interface CoveredObject {
  /** Relative to the prefix of the archive, as in the log. */
  readonly path: string;
  readonly rows: number;
  /** Of the lines. */
  readonly sha256: string;
  readonly objectSha256: string;
  /** Its place in the signed log; null where that is not known. */
  readonly logIndex: number | null;
}

/** The file as it was stored. */
interface Done {
  readonly sha256: string;
  readonly bytes: number;
}

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
    const manifest = await readJson<Manifest>(archive, key);
    const end = key.replace(/json$/, 'done.json');
    manifests.push({ manifest, done: there.has(end) ? await readJson<Done>(archive, end) : null });
  }
  return manifests;
}

async function readJson<T>(archive: Archive, key: string): Promise<T> {
  return JSON.parse((await archive.read(key))?.toString() ?? 'null') as T;
}
