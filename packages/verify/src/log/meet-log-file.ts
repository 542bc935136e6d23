import { counted } from '../../../evidence/src/counted.ts';
import {
  checkpointFolder,
  cosignatureFolder,
  keyFolder,
  logFolder,
  stampFolder,
} from '../../../evidence/src/log-files.ts';
import { isTileOf, parseTilePath } from '../../../evidence/src/tiles.ts';
import type { ArchivedFile } from '../archive/archive.ts';
import { broken, type Finding, partly } from '../finding.ts';
import { mayBeLogged } from '../objects/object-index.ts';

/** Every file of these folders is looked at elsewhere. */
const otherFolders = [checkpointFolder, keyFolder, cosignatureFolder(null), stampFolder];

/** A file in the folder of the log that no log of `size` entries has; null for another file. `logged`: when its newest entry was. */
export function meetLogFile(
  { path, modifiedAt }: ArchivedFile,
  { size, logged }: { readonly size: number; readonly logged: number },
): Finding | null {
  if (!path.startsWith(logFolder) || otherFolders.some((folder) => path.startsWith(folder))) return null;
  const tile = parseTilePath(path.slice(logFolder.length));
  if (tile === null) return broken('object-not-in-log', path, 'It is not the name of a file of the log.');
  if (isTileOf(size, tile)) return null;
  return mayBeLogged(modifiedAt, logged)
    ? partly(
        'object-unlogged',
        path,
        'No checkpoint has it yet. It is young, so an exporter may be about to publish one.',
      )
    : broken(
        'object-not-in-log',
        path,
        `The log has ${counted(size, 'batch', 'batches')}, and this file belongs to a larger one.`,
      );
}
