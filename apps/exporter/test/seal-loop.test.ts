import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import pino from 'pino';
import postgres from 'postgres';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPollPace } from '../src/export/poll-pace.ts';
import { runSealLoop } from '../src/export/seal-loop.ts';
import { createExportMetrics } from '../src/metrics/export-metrics.ts';

let db: TestDatabase;
let stop: () => Promise<void>;
let turns: number;
let faults: string[];
beforeEach(async () => {
  db = await openTestDatabase();
  turns = 0;
  faults = [];
  const taking = new AbortController();
  const running = runSealLoop(
    {
      db,
      limits: { grain: 'hour', maxRows: 100, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 10 },
      pace: createPollPace(20),
      logger: pino({ level: 'warn' }, { write: (line: string) => void faults.push(line) }),
      metrics: createExportMetrics(new Registry(), { lingerMs: 0 }),
      onSealed: () => {},
      onTurn: () => {
        turns += 1;
      },
    },
    taking.signal,
  );
  stop = async () => {
    taking.abort();
    await running;
  };
});
afterEach(async () => {
  await stop();
  await db.close(1_000);
});

const someTurns = async () => {
  const from = turns;
  await eventually(() => expect(turns).toBeGreaterThan(from + 5));
};

/** Inserts an event whose outbox row has a lower id than what is sealed by the time that it is committed. */
async function insertLate(): Promise<() => Promise<void>> {
  const late = postgres(db.url, { max: 1, onnotice: () => {} });
  await late`begin`;
  await late`insert into audit_log (changed_by, action, table_name, object_id) values ('late', 'created', 't', '1')`;
  await db.store([anEvent()]);
  await eventually(async () => expect(await db.states()).toEqual({ sealed: 1 }));
  await someTurns();
  return async () => {
    await late`commit`;
    await late.end();
  };
}

test('a row that commits late with a low id is sealed, also when another sealer is at work while the loop looks for it', async () => {
  const commit = await insertLate();
  const other = postgres(db.url, { max: 1, onnotice: () => {} });
  await other`select pg_advisory_lock(7283104912)`;
  await commit();
  await someTurns();
  expect(await db.states()).toEqual({ pending: 1, sealed: 1 });
  await other.end();
  await eventually(async () => expect(await db.states()).toEqual({ sealed: 2 }));
});

test('a seal that fails is said and tried again, and loses no row', async () => {
  const commit = await insertLate();
  await db.sql
    .unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
      create trigger refuse before insert on export_batch for each statement execute function refuse()`)
    .simple();
  await commit();
  await db.store([anEvent()]);
  await eventually(() => expect(faults.join()).toContain('not now'));
  await someTurns();
  expect(await db.states()).toEqual({ pending: 2, sealed: 1 });
  await db.sql`drop trigger refuse on export_batch`;
  await eventually(async () => expect(await db.states()).toEqual({ sealed: 3 }));
});
