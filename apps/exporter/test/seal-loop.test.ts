import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import pino from 'pino';
import postgres from 'postgres';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPace } from '../src/export/pace.ts';
import { createSealLoop } from '../src/export/seal-loop.ts';
import { createExporterLog } from '../src/log.ts';
import { createExportMetrics } from '../src/metrics/export-metrics.ts';

let db: TestDatabase;
let stop: () => Promise<void>;
let iterations: number;
let warnings: string[];
beforeEach(async () => {
  db = await openTestDatabase();
  iterations = 0;
  warnings = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) });
  const taking = new AbortController();
  const loop = createSealLoop({
    db,
    limits: { grain: 'hour', byTenant: false, maxRows: 100, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 10 },
    pace: createPace(20),
    metrics: createExportMetrics(new Registry(), { lingerMs: 0 }),
    log: createExporterLog(logger),
    onSealed: () => {},
    isHeld: () => false,
    onIteration: () => {
      iterations += 1;
    },
  });
  const running = loop.run(taking.signal);
  stop = async () => {
    taking.abort();
    await running;
  };
});
afterEach(async () => {
  await stop();
  await db.close(1_000);
});

const someIterations = async () => {
  const before = iterations;
  await eventually(() => expect(iterations).toBeGreaterThan(before + 5));
};

/** Inserts an event that commits after a row with a higher outbox id was sealed. */
async function insertLate(): Promise<() => Promise<void>> {
  const late = postgres(db.url, { max: 1, onnotice: () => {} });
  await late`begin`;
  await late`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('late', 'created', 't', '1')`;
  await db.store([anEvent()]);
  await eventually(async () => expect(await db.states()).toEqual({ sealed: 1 }));
  await someIterations();
  return async () => {
    await late`commit`;
    await late.end();
  };
}

test('a row that commits late with a low id is sealed, also after another sealer held the frontier', async () => {
  const commit = await insertLate();
  const other = postgres(db.url, { max: 1, onnotice: () => {} });
  await other`begin`;
  await other`select from auditbox.frontier for update`;
  await commit();
  await someIterations();
  expect(await db.states()).toEqual({ pending: 1, sealed: 1 });
  await other.end();
  await eventually(async () => expect(await db.states()).toEqual({ sealed: 2 }));
});

test('a seal that fails is logged and tried again, and loses no row', async () => {
  const commit = await insertLate();
  await db.sql
    .unsafe(`
      create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not now'; end $$;
      create trigger refuse before insert on auditbox.batch for each statement execute function refuse()`)
    .simple();
  await commit();
  await db.store([anEvent()]);
  await eventually(() => expect(warnings.join()).toContain('not now'));
  await someIterations();
  expect(await db.states()).toEqual({ pending: 2, sealed: 1 });
  await db.sql`drop trigger refuse on auditbox.batch`;
  await eventually(async () => expect(await db.states()).toEqual({ sealed: 3 }));
});
