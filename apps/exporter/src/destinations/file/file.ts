import { existsSync, realpathSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { DeliveryRequest, Destination, Finding, Outcome } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { requestLimits } from '../configured/options.ts';
import { appendTo, truncateTo } from './append.ts';
import { openJournal } from './journal.ts';

const options = z.strictObject({
  /** It is made if it is not there. */
  folder: z.string().min(1),
  ...requestLimits,
});

const usualBytes = 4_000_000;
const mostRowBytes = 64 * 1024 * 1024;
/** A person must change something before these go away. */
const blockedCodes = new Set([
  ...['EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ENOSPC', 'EDQUOT'],
]);

/**
 * Files of NDJSON, one for each UTC day of event time, for shippers that read files. Each event is in them once: what a
 * crash left of a request is cut off before the next one is written. One process at a time may write to a folder.
 */
export const file: DestinationType<typeof options> = {
  options,
  secrets: [],
  // What a crash left is cut off, which would cut off what another destination wrote behind it.
  claim: ({ folder }) => ({ key: 'folder', value: realPath(folder) }),
  create({ folder, maxRows, maxBytes }, { name }) {
    const journal = openJournal(join(folder, `.auditbox-${name}.json`));
    let last: Promise<unknown> = Promise.resolve();

    async function write({ key, rows }: DeliveryRequest): Promise<Outcome> {
      await mkdir(folder, { recursive: true });
      const unfinished = await journal.unfinished();
      if (unfinished !== null) await truncateTo(join(folder, unfinished.file), unfinished.length);
      // A batch has events of one day.
      const day = `dt=${rows[0]?.occurredAt.slice(0, 10)}.ndjson`;
      const isThere = existsSync(join(folder, day));
      // A file that somebody took away is begun again.
      if (!isThere) await journal.forget(day);
      if (isThere && (await journal.has(key))) return { kind: 'taken' };
      const text = rows.map(({ line }) => `${line}\n`).join('');
      await appendTo(join(folder, day), text, (length) => journal.begin({ file: day, length }));
      await journal.finish(key);
      return { kind: 'taken' };
    }

    return {
      limits: { maxRows: maxRows ?? 10_000, maxBytes: maxBytes ?? usualBytes, maxRowBytes: mostRowBytes },
      /** One after another: the journal knows one request that is being written. */
      deliver(request): Promise<Outcome> {
        const written = last.then(() => write(request)).catch(toOutcome);
        last = written;
        return written;
      },
      async check(): Promise<readonly Finding[]> {
        await mkdir(folder, { recursive: true });
        await journal.unfinished();
        return [];
      },
      close: async () => void (await last),
    } satisfies Destination;
  },
};

function realPath(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return resolve(folder);
  }
}

function toOutcome(error: unknown): Outcome {
  const { code = 'Error', message } = error as NodeJS.ErrnoException;
  return { kind: blockedCodes.has(code) ? 'blocked' : 'retry', code, reason: message };
}
