import { chooseWait, longestAskedMs } from '../retry.ts';
import { sleep } from '../sleep.ts';
import type { NewAuditEvent } from '../wire.ts';
import { createBell } from './bell.ts';
import { type EventWriter, sendEach } from './send-each.ts';
import type { SpoolFiles } from './spool-files.ts';
import { printLine, readLines } from './spool-line.ts';

/** What a person should see. */
export interface SpoolReports {
  /** A request failed; it is sent again. */
  onError(error: unknown): void;
  /** The api will never take this event, or the disk damaged this line. It is in `refused.ndjson`. */
  onRefused(refused: RefusedLine): void;
}

export interface RefusedLine {
  /** The text of the line if the disk damaged it. */
  readonly event: NewAuditEvent | string;
  readonly reason: string;
}

/** The loop that sends the files of a spool. */
export interface Sender {
  /** There are new events. */
  wake(): void;
  /** Resolves when the api has all events that are on disk now. */
  drain(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

const longestWaitMs = 30_000;

export function startSender(files: SpoolFiles, client: EventWriter, { onError, onRefused }: SpoolReports): Sender {
  const ends = new AbortController();
  const bell = createBell();
  const drains = new Set<() => void>();

  async function sendForEver(): Promise<void> {
    for (let failures = 0; !ends.signal.aborted; ) {
      try {
        bell.clear();
        const waitForThis = [...drains];
        const sent = await sendNext(files, client, ends.signal);
        for (const one of sent?.refused ?? []) onRefused(one);
        if (sent !== null && sent.error !== null) throw sent.error;
        failures = 0;
        if (sent !== null) continue;
        for (const resolve of waitForThis) resolve();
        await bell.wait();
      } catch (error) {
        if (ends.signal.aborted) return;
        onError(error);
        await sleep(chooseWait(failures, error, { longestMs: longestWaitMs, longestAskedMs }), ends.signal);
        failures += 1;
      }
    }
  }

  const sending = sendForEver();
  return {
    wake: bell.ring,
    drain: (signal) =>
      new Promise((resolve, reject) => {
        const stops = [ends.signal, ...(signal === undefined ? [] : [signal])];
        const leave = () => {
          drains.delete(done);
          for (const each of stops) each.removeEventListener('abort', stop);
        };
        const done = () => resolve(leave());
        const stop = () => {
          leave();
          reject(signal?.aborted ? signal.reason : new Error('The spool was closed while events waited.'));
        };
        drains.add(done);
        for (const each of stops) each.addEventListener('abort', stop);
        if (stops.some(({ aborted }) => aborted)) stop();
        bell.ring();
      }),
    async stop() {
      ends.abort();
      bell.ring();
      await sending;
    },
  };
}

interface SentFile {
  readonly refused: readonly RefusedLine[];
  /** Why the database refuses an event for now; null if none waits. */
  readonly error: Error | null;
}

/**
 * Sends the next file; returns null if no line waits. Events that the database refuses for now are postponed. A crash before the
 * file is removed sends it again, and the ids make that harmless.
 */
async function sendNext(files: SpoolFiles, client: EventWriter, signal: AbortSignal): Promise<SentFile | null> {
  const next = await files.takeNext();
  if (next === null) return null;
  const lines = readLines(next.text);
  const events = lines.flatMap((line) => (line.kind === 'event' ? [line.event] : []));
  const damaged = lines.flatMap((line): RefusedLine[] =>
    line.kind === 'damaged' ? [{ event: line.text, reason: 'The disk damaged this line.' }] : [],
  );
  const sent = await sendEach(client, events, signal);
  const refused = [...damaged, ...sent.refused];
  // On disk before the events leave the spool.
  if (refused.length > 0) await files.keepRefused(refused.map((one) => `${JSON.stringify(one)}\n`).join(''));
  if (sent.error === null) await files.remove(next.name);
  else if (sent.waiting.length === lines.length) files.postpone(next.name);
  else await files.replace(next.name, sent.waiting.map(printLine).join(''));
  return { refused, error: sent.error };
}
