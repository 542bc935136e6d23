import { createHash } from 'node:crypto';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { copyRows } from '@auditbox/db/database/copy-rows.ts';
import { batchLinesStatement, copyBatchLines } from '@auditbox/db/export/copy-batch-lines.ts';
import { rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { readLine } from '@auditbox/db/sql/copied-lines.ts';
import { eventJson } from '@auditbox/db/sql/event-json.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let outbox: OutboxFixture;
const never = new AbortController().signal;

beforeEach(async () => {
  outbox = await openOutbox();
});
afterEach(() => outbox.close());

const insertValue = (value: string, objectId = '1') => outbox.db.sql`
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, updated_values)
  values ('ana', 'updated', 't', ${objectId}, '2026-07-03T01:00:00Z', ${value}::text::json)`;

async function copyAll() {
  const delivery = await outbox.lease();
  const chunks: Buffer[] = [];
  const copied = await copyBatchLines(outbox.db, delivery, (chunk) => chunks.push(chunk), never);
  return { delivery, copied, text: Buffer.concat(chunks).toString() };
}

/** A COPY that goes on until it is stopped; its first chunk comes at once. */
const endless = `copy (
  select case when n > 3000 then pg_sleep(0.01)::text else '' end || repeat('x', 100) from generate_series(1, 1000000) n
) to stdout`;

const copies = () =>
  outbox.db.sql<{ pid: number }[]>`
    select pid from pg_stat_activity
    where datname = current_database() and query like 'copy (%' and state = 'active'`;

async function expectHealthyPool(): Promise<void> {
  await eventually(async () => expect(await copies()).toEqual([]));
  const answers = Array.from({ length: 30 }, (_, n) => outbox.db.query((sql) => sql`select ${n}::int as n`));
  expect((await Promise.all(answers)).map(([row]) => row?.n)).toEqual(Array.from({ length: 30 }, (_, n) => n));
}

test('the lines of a batch come whole, in the order of event time and id, without the rejected rows', async () => {
  const ids = await outbox.insert(2_000);
  await outbox.insert(2_000, '2026-07-03T01:30:00.5Z');
  await outbox.sealAll({ maxRows: 10_000, maxBytes: 100_000_000 });
  await rejectRows(outbox.db, await outbox.lease(), [{ outboxId: ids[7] ?? '', reason: 'no' }]);
  const { delivery, copied, text } = await copyAll();
  expect(copied).toEqual({ kind: 'whole', rows: 3_999 });
  expect(delivery.rowCount).toBe(3_999);
  const rows = await outbox.db.sql<{ line: string }[]>`
    select ${outbox.db.sql.unsafe(eventJson)} as line
    from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id where o.id <> ${ids[7] ?? ''}
    order by a.occurred_at, a.id`;
  expect(text).toBe(rows.map(({ line }) => `${line}\n`).join(''));
});

test('a value with raw line breaks comes on one line, and any control character in a text stays as it was', async () => {
  const long = 'y'.repeat(200_000);
  const value = `{\r\n "a": [1,\n"${long}",\r 1.50],\n\n"b": "x" }`;
  await insertValue('{"first": 1}', '\u0001\u0002 "ana"\n\r');
  await insertValue(value);
  await insertValue(value);
  await outbox.sealAll();
  const { copied, text } = await copyAll();
  expect(copied).toEqual({ kind: 'whole', rows: 3 });
  const lines = text.split('\n').slice(0, -1);
  const events = lines.map((line) => JSON.parse(line) as { object_id: string });
  expect(events).toHaveLength(3);
  expect(events.filter(({ object_id }) => object_id === '\u0001\u0002 "ana"\n\r')).toHaveLength(1);
  const broken = lines.filter((line) => line.includes(long));
  for (const line of broken) expect(line).toContain(value.replace(/[\r\n]/g, ' '));
  expect(broken).toHaveLength(2);
});

test('a row of another form is an error, and never a shorter line', () => {
  const field = (text: string) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const row = (columns: number, ...parts: Buffer[]) => Buffer.concat([Buffer.from([0, columns]), ...parts]);
  const one = () => row(1, field('{"ü":\r\n[2]}'));
  const two = () => row(2, field('{}'), field('["p"]'));
  expect(readLine(one()).line.toString()).toBe('{"ü":  [2]}\n');
  expect(readLine(two()).line.toString()).toBe('{}\n');
  expect(readLine(two()).position.toString()).toBe('["p"]');
  const missing = Buffer.from([255, 255, 255, 255]);
  const wrong = [one().subarray(0, -1), two().subarray(0, -1), Buffer.concat([one(), Buffer.from('x')])];
  for (const bad of [...wrong, row(1, missing), row(2, field('{}')), row(2, field('{}'), missing), row(3, field('{}'))])
    expect(() => readLine(bad)).toThrow('another form');
});

test('a batch with an event that is gone is incomplete', async () => {
  await outbox.insert(3);
  await outbox.sealAll();
  await outbox.db.sql`alter table auditbox.audit_log_2026_07 disable trigger all`;
  await outbox.db.sql`
    delete from auditbox.audit_log_2026_07 where id = (select audit_id from auditbox.outbox where id = 2)`;
  expect((await copyAll()).copied).toEqual({ kind: 'incomplete', rows: 2, expected: 3 });
});

test('events as large as a chunk and small ones come whole, next to other statements on a pool of one connection', async () => {
  for (const size of [131_072, 1_000_000, 3, 131_000]) await insertValue(`"${'z'.repeat(size)}"`);
  await outbox.insert(3_000);
  await outbox.sealAll({ maxRows: 10_000, maxBytes: 100_000_000 });
  const one = connectDatabase({ url: outbox.url, application: 'one', maxConnections: 1, statementTimeoutMs: 20_000 });
  const delivery = await outbox.lease();
  const hashes = await Promise.all(
    [1, 2, 3].map(async () => {
      const hash = createHash('sha256');
      let largest = 0;
      const copied = await copyBatchLines(
        one,
        delivery,
        (chunk) => {
          hash.update(chunk);
          largest = Math.max(largest, chunk.length);
        },
        never,
      );
      const [row] = await one.query((sql) => sql`select 1 as n`);
      expect(row).toEqual({ n: 1 });
      expect(copied).toEqual({ kind: 'whole', rows: 3_004 });
      expect(largest).toBeLessThan(1_100_000);
      return hash.digest('hex');
    }),
  );
  await Promise.all([
    copyBatchLines(one, delivery, () => {}, never),
    ...Array.from({ length: 20 }, () => one.query((sql) => sql`select pg_sleep(0.001)`)),
  ]);
  expect(new Set(hashes).size).toBe(1);
  await one.close(1_000);
});

test('a large batch comes whole by several copies, and no more than one of them waits for a slow receiver', async () => {
  const copyBytes = 4 * 1024 * 1024;
  const largest = 300_000;
  // Many have the same event time, and large events stand between small ones.
  await outbox.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, updated_values)
    select 'ana', 'updated', 't', n::text, timestamptz '2026-07-03 01:00:00Z' + n / 500 * interval '1 second',
      to_json(repeat('x', case when n % 200 = 0 then ${largest - 1_000}::int else 2000 end)) from generate_series(1, 5000) n`;
  await outbox.sealAll({ maxRows: 10_000, maxBytes: 100_000_000 });
  const delivery = await outbox.lease();
  let waitingBytes = 0;
  let most = 0;
  let copiesMade = 1;
  const chunks: Buffer[] = [];
  const copied = await copyBatchLines(
    outbox.db,
    delivery,
    (chunk) => {
      chunks.push(chunk);
      waitingBytes += chunk.length;
      most = Math.max(most, waitingBytes);
    },
    never,
    async () => {
      copiesMade += 1;
      waitingBytes = 0;
    },
  );
  expect(copied).toEqual({ kind: 'whole', rows: 5_000 });
  expect(most).toBeLessThan(copyBytes + largest);
  expect(copiesMade).toBeGreaterThan(4);
  const ids = Buffer.concat(chunks)
    .toString()
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(7, 43));
  const rows = await outbox.db.sql<{ id: string }[]>`select id from auditbox.audit_log order by occurred_at, id`;
  expect(ids).toEqual(rows.map(({ id }) => id));
});

test('a large batch with an event that is gone, or with another number of ids, is incomplete', async () => {
  await outbox.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, updated_values)
    select 'ana', 'updated', 't', n::text, '2026-07-03 01:00:00Z', to_json(repeat('x', 2000)) from generate_series(1, 5000) n`;
  await outbox.sealAll({ maxRows: 10_000, maxBytes: 100_000_000 });
  const delivery = await outbox.lease();
  const copy = (rowCount: number) => copyBatchLines(outbox.db, { ...delivery, rowCount }, () => {}, never);
  expect(await copy(5_000)).toMatchObject({ kind: 'whole' });
  for (const rowCount of [4_999, 5_001]) expect(await copy(rowCount)).toMatchObject({ kind: 'incomplete', rows: 0 });
  await outbox.db.sql`alter table auditbox.audit_log_2026_07 disable trigger all`;
  await outbox.db.sql`
    delete from auditbox.audit_log_2026_07 where id in (select id from auditbox.audit_log order by id offset 1000 limit 3)`;
  expect(await copy(5_000)).toEqual({ kind: 'incomplete', rows: 4_997, expected: 5_000 });
});

test('an abort ends the statement on the server at once, and the pool stays healthy', async () => {
  const controller = new AbortController();
  const reason = new Error('the lease is lost');
  let chunks = 0;
  const copying = copyRows(
    outbox.db,
    endless,
    () => {
      chunks += 1;
      controller.abort(reason);
    },
    controller.signal,
  );
  await expect(copying).rejects.toBe(reason);
  expect(chunks).toBe(1);
  await expectHealthyPool();
  await expect(copyRows(outbox.db, endless, () => {}, controller.signal)).rejects.toBe(reason);
});

test('an abort before the first row ends the statement too', async () => {
  const controller = new AbortController();
  const copying = copyRows(outbox.db, 'copy (select pg_sleep(50)) to stdout', () => {}, controller.signal);
  await eventually(async () => expect(await copies()).toHaveLength(1));
  controller.abort(new Error('stopped'));
  await expect(copying).rejects.toThrow('stopped');
  await expectHealthyPool();
});

test('what the receiver throws ends the copy, and the pool stays healthy', async () => {
  const failure = new Error('disk full');
  const copying = copyRows(
    outbox.db,
    endless,
    () => {
      throw failure;
    },
    never,
  );
  await expect(copying).rejects.toBe(failure);
  await expectHealthyPool();
});

test('a connection that dies in mid-copy is an error, never the end of the lines', async () => {
  const deaths = await Promise.allSettled(
    Array.from({ length: 4 }, () => {
      let isKilled = false;
      return copyRows(
        outbox.db,
        endless,
        () => {
          if (isKilled) return;
          isKilled = true;
          outbox.db.sql`
            select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and query like 'copy (%' and state = 'active'`.catch(() => {});
        },
        never,
      );
    }),
  );
  for (const death of deaths) {
    expect(death).toMatchObject({ status: 'rejected', reason: { name: 'DatabaseError', retry: true } });
  }
});

test('a statement that fails or takes too long in mid-copy is an error, and the pool stays healthy', async () => {
  // An error in the first packet, and one far behind it.
  for (const at of [1, 2, 100_000]) {
    const failing = copyRows(
      outbox.db,
      `copy (select 1 / (${at} - n), 'some text' from generate_series(1, 200000) n) to stdout`,
      () => {},
      never,
    );
    await expect(failing).rejects.toMatchObject({ name: 'DatabaseError', kind: 'data' });
  }
  await expect(copyRows(outbox.db, 'select 1', () => {}, never)).rejects.toThrow('not a COPY');
  await expect(copyRows(outbox.db, 'copy (select x) to stdout', () => {}, never)).rejects.toMatchObject({
    code: '42703',
  });
  const slow = connectDatabase({ url: outbox.url, application: 'slow', maxConnections: 1, statementTimeoutMs: 500 });
  await expect(copyRows(slow, endless, () => {}, never)).rejects.toMatchObject({
    name: 'DatabaseError',
    kind: 'timeout',
  });
  expect(await slow.query((sql) => sql`select 1 as n`)).toEqual([{ n: 1 }]);
  await slow.close(1_000);
  await expectHealthyPool();
});

test('a copy reads its own month alone, each event by its key, and sorts ids instead of lines', async () => {
  await outbox.db.sql`select auditbox.make_month('2026-06-01'), auditbox.make_month('2026-05-01')`;
  await outbox.insert(100);
  await outbox.sealAll({ maxRows: 100 });
  const statement = batchLinesStatement(await outbox.lease())
    .replace(/^copy \(/, '')
    .replace(/\) to stdout[^)]*\)$/, '');
  const plan = (await outbox.db.sql.unsafe(`explain ${statement}`)).map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toContain('audit_log_2026_07');
  expect(plan).not.toMatch(/audit_log_2026_0[56]/);
  expect(plan.match(/Sort Key/g)).toHaveLength(1);
});

test('values of another form never get into the text of a statement', () => {
  const good = {
    destination: 's3',
    batchId: '1',
    rowCount: 1,
    firstOccurredAt: '2026-07-03T01:00:00.000000Z',
    lastOccurredAt: '2026-07-03T01:00:00.000000Z',
  };
  for (const bad of [{ batchId: '1; drop' }, { destination: "s3'" }, { firstOccurredAt: "x'" }, { lastOccurredAt: '' }])
    expect(() => batchLinesStatement({ ...good, ...bad })).toThrow('unexpected form');
});
