import { cellNamePattern } from './cell-list.ts';

/** The folder of a cell below `S3_PREFIX`. */
export function cellFolder(name: string): string {
  return `cell=${name}/`;
}

const folderForm = new RegExp(`^cell=${cellNamePattern}/`);

/** Whether a path below `S3_PREFIX` is in the folder of a cell. */
export function isInCellFolder(path: string): boolean {
  return folderForm.test(path);
}

const prefixForm = new RegExp(`(?:^|/)cell=(${cellNamePattern})/$`);

/** The cell whose folder a prefix of keys is; null if it is not such a folder. */
export function readCellFolder(prefix: string): string | null {
  return prefixForm.exec(prefix)?.[1] ?? null;
}
