import { v7 as uuidv7 } from 'uuid';
import type { NewAuditEvent } from '../wire.ts';
import { lockFolder } from './folder-lock.ts';
import type { EventWriter } from './send-each.ts';
import { type RefusedLine, type SpoolReports, startSender } from './sender.ts';
import { makeFolder, openSpoolFiles } from './spool-files.ts';
import { printLine } from './spool-line.ts';

export interface SpoolOptions {
  /** On a local disk, of one process at a time. It is made if it is missing. */
  readonly folder: string;
  /** Sends the events. Its key needs the scope `write`. */
  readonly client: EventWriter;
  /** Events that wait and events that were refused have at most this size together. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** Called for each failure to send, before the spool tries again. It may return a promise. Default: a warning of the process. */
  readonly onError?: (error: unknown) => unknown;
  /**
   * Called for each event that the api will never take, and for each line that the disk damaged. They are in the file
   * `refused.ndjson` then. Default: a warning of the process.
   */
  readonly onRefused?: (refused: RefusedLine) => unknown;
}

/** Events on disk that a background loop sends to the api. */
export interface Spool {
  /**
   * Resolves to the id of the event when the event is on disk. From then on it is stored exactly once, also if this process
   * is killed. An event without a time gets the present time. Throws SpoolFullError, or the error of the disk. After an
   * error of the disk the event may be stored all the same; add it again with its id.
   */
  add(event: NewAuditEvent): Promise<string>;
  /** Resolves when the api has all events that were added before. */
  drain(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** The size of the events that wait. */
  readonly bytes: number;
  /** Stops sending and gives the folder back. Events that wait stay there for the next process. Then `add` throws. */
  close(): Promise<void>;
}

/** Opens a spool, and begins to send what an earlier process left. Throws SpoolInUseError. */
export async function openSpool({
  folder,
  client,
  maxBytes = 64 * 1024 * 1024,
  ...reports
}: SpoolOptions): Promise<Spool> {
  await makeFolder(folder);
  const lock = await lockFolder(folder);
  const files = await openSpoolFiles(folder, maxBytes).catch(async (error) => {
    await lock.release();
    throw error;
  });
  const sender = startSender(files, client, guardReports(folder, reports));
  let isClosed = false;
  return {
    async add(event) {
      // The folder may belong to another process already, which would not see the event.
      if (isClosed) throw new Error(`The spool in ${folder} is closed. The event was not taken.`);
      const id = event.id ?? uuidv7();
      await files.append(printLine({ ...event, id, updated_at: event.updated_at ?? new Date().toISOString() }));
      sender.wake();
      return id;
    },
    drain: ({ signal } = {}) => sender.drain(signal),
    get bytes() {
      return files.bytes;
    },
    async close() {
      isClosed = true;
      await sender.stop();
      await files.close();
      await lock.release();
    },
  };
}

/** An error of the caller's function must not end the sending. */
function guardReports(
  folder: string,
  { onError, onRefused }: Pick<SpoolOptions, 'onError' | 'onRefused'>,
): SpoolReports {
  const guard =
    <T>(report: (what: T) => unknown) =>
    async (what: T) => {
      try {
        await report(what);
      } catch (error) {
        warn(`A function given to openSpool threw: ${(error as Error).message}`);
      }
    };
  return {
    onError: guard(onError ?? ((error) => warn(`The spool in ${folder} sends again: ${(error as Error).message}`))),
    onRefused: guard(onRefused ?? (({ reason }) => warn(`${folder}/refused.ndjson has an event: ${reason}`))),
  };
}

function warn(message: string): void {
  process.emitWarning(message, { code: 'AUDITBOX_SPOOL' });
}
