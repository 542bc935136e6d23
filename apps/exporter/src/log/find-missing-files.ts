import type { Database } from '@auditbox/db/database/connect.ts';
import { listCheckpoints } from '@auditbox/db/log/checkpoints.ts';
import type { LogHead } from '@auditbox/db/log/open-log.ts';
import { checkpointPath, logFolder } from '@auditbox/evidence/log-files.ts';
import { listNewTiles, tilePath } from '@auditbox/evidence/tiles.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { probeName } from '../destinations/s3/s3-destination.ts';
import { tryAgain } from '../destinations/try-again.ts';
import type { LogStore } from './log-store.ts';
import { renderTile } from './publish.ts';

/** `isRepaired`: every one of them was created again. `unread`: the store does not hand them out, and hands out others. */
export type MissingFiles =
  | {
      readonly kind: 'listed';
      readonly paths: readonly string[];
      readonly isRepaired: boolean;
      readonly unread: readonly { readonly path: string; readonly reason: string }[];
    }
  | DestinationError;

/** Compares the newest published checkpoint and its tiles with the database. A file with other bytes is never replaced. */
export async function findMissingFiles(
  { db, destinationName, store }: { db: Database; destinationName: string; store: LogStore },
  { publishedSize, now }: LogHead,
  { repair }: { readonly repair: boolean },
  signal: AbortSignal,
): Promise<MissingFiles> {
  const paths: string[] = [];
  const unread: { path: string; reason: string }[] = [];
  let isRepaired = true;
  for await (const { path, body } of listFiles(db, destinationName, publishedSize)) {
    const file = await tryAgain(() => store.compare(path, body, signal), signal);
    if (file.kind === 'error') {
      const control = await store.read(probeName, signal);
      if (control.kind === 'error') return { ...file, message: `${path} cannot be read. ${file.message}` };
      unread.push({ path, reason: file.message });
      continue;
    }
    if (file.kind === 'same') continue;
    paths.push(path);
    const made = file.kind === 'missing' && repair ? await store.create(path, body, now, signal) : null;
    if (made?.kind === 'error') return made;
    if (made === null || made.kind === 'different') isRepaired = false;
  }
  return { kind: 'listed', paths, isRepaired, unread };
}

async function* listFiles(db: Database, destination: string, size: number) {
  for (const tile of listNewTiles(0, size))
    yield { path: `${logFolder}${tilePath(tile)}`, body: await renderTile(db, destination, tile) };
  for (const { size: at, note } of await listCheckpoints(db, destination, [size])) {
    if (note !== null) yield { path: checkpointPath(at), body: Buffer.from(note) };
  }
}
