/*
 * Where the log lies in a bucket, below the prefix of its objects. Readers of Hive-style folders skip names that start with
 * an underscore.
 */

export const logFolder = '_log/';

export const checkpointFolder = `${logFolder}checkpoints/`;
const sizeDigits = 12;

/** Key notes, in the order of their changes. */
export const keyFolder = `${logFolder}keys/`;

/** The number in the path of a key note; null for the path of something else. */
export function numberOfKeyNote(path: string): number | null {
  const digits = path.startsWith(keyFolder) ? path.slice(keyFolder.length) : '';
  return /^\d{6}$/.test(digits) ? Number(digits) : null;
}

export function keyNotePath(number: number): string {
  return `${keyFolder}${String(number).padStart(6, '0')}`;
}

/** Padded, so that a listing has them in order. */
export function checkpointPath(size: number): string {
  return `${checkpointFolder}${String(size).padStart(sizeDigits, '0')}`;
}

/** Null for the path of something else. */
export function sizeOfCheckpoint(path: string): number | null {
  const digits = path.startsWith(checkpointFolder) ? path.slice(checkpointFolder.length) : '';
  return /^\d{12,15}$/.test(digits) && checkpointPath(Number(digits)) === path ? Number(digits) : null;
}

/** What a witness said about the checkpoint of a size. Null: about any size. */
export function cosignatureFolder(size: number | null): string {
  return `${logFolder}cosignatures/${size === null ? '' : `${String(size).padStart(sizeDigits, '0')}/`}`;
}

export function cosignaturePath(size: number, keyId: string): string {
  return `${cosignatureFolder(size)}${keyId}`;
}

/** What a time-stamping authority said. */
export const stampFolder = `${logFolder}stamps/`;

export function stampPath(size: number): string {
  return `${stampFolder}${String(size).padStart(sizeDigits, '0')}.tsr`;
}
