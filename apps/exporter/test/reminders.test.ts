import { generateKeyPairSync } from 'node:crypto';
import { openLog } from '@auditbox/db/log/open-log.ts';
import { createKeySigner } from '@auditbox/evidence/signed-note.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import pino from 'pino';
import { afterEach, beforeEach, expect, type MockInstance, test, vi } from 'vitest';
import type { Destination } from '../src/destinations/destination.ts';
import { createLogKeeper } from '../src/log/log-keeper.ts';
import type { LogStore } from '../src/log/log-store.ts';
import { createUnknownReport } from '../src/log/report-unknown.ts';
import { createExporterLog } from '../src/log.ts';

/* What lasts is logged again every hour, for a person who missed the first line. gate.test.ts has the same for a destination. */

let lines: string[];
const log = createExporterLog(pino({ level: 'error' }, { write: (line) => void lines.push(JSON.parse(line).event) }));
let now: MockInstance<() => number>;
beforeEach(() => {
  lines = [];
  now = vi.spyOn(performance, 'now');
});
afterEach(() => now.mockRestore());

/** Runs it now, just before an hour is over, and just after. Returns how many lines there were each time. */
async function countLines(run: () => unknown): Promise<number[]> {
  const begin = performance.now();
  const counts: number[] = [];
  for (const laterMs of [0, 3_599_000, 3_601_000]) {
    now.mockReturnValue(begin + laterMs);
    await run();
    counts.push(lines.length);
  }
  return counts;
}

test('a log that stays blocked', async () => {
  const db = await openTestDatabase();
  await openLog(db, { destination: 's3', origin: 'log.example/before' });
  const origin = 'log.example/now';
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const signer = createKeySigner(origin, pem);
  const keeper = createLogKeeper({
    ...{ db, destinationName: 's3', attestor: null, log },
    // The database has another name of the log, so the bucket is not asked.
    ...{ destination: {} as Destination, store: {} as LogStore },
    settings: {
      ...{ origin, key: signer.key, signer, previousSigner: null, intervalMs: 100 },
      ...{ witnesses: null, authorityUrl: null },
    },
  });
  const check = () => keeper.check(new AbortController().signal);
  expect(await countLines(check)).toEqual([1, 1, 2]);
  expect(lines).toEqual(['log-blocked', 'log-blocked']);
  now.mockRestore();
  await db.close(1_000);
});

test('files in the folder of the log that stay unknown', async () => {
  const report = createUnknownReport(log);
  const unknown = new Map([['checkpoints/made-up', 'It has not the name of a checkpoint.']]);
  expect(await countLines(() => report(unknown))).toEqual([1, 1, 2]);
  report(new Map([...unknown, ['keys/made-up', 'It has not the name of a key note.']]));
  expect(lines).toEqual(Array(3).fill('log-files-unknown'));
});
