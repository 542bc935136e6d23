import { addDestination } from '@auditbox/db/export/destinations.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Long work of destinations: how far a command says that it is, what a stop leaves, and how much memory a backlog needs. */

let rig: DestinationFixture;
const soc = (options: object = {}) => ({
  ...{ name: 'soc', type: 'webhook', url: rig.receiver.url, body: 'ndjson', ...options },
  secrets: [`whsec_${Buffer.alloc(32, 1).toString('base64')}`],
});
beforeEach(async () => {
  rig = await createDestinationFixture();
});
afterEach(() => rig.close());

/** Batches of one event that the destination `soc` has. They are made as batches of a replay, which may share an event. */
async function deliverBatches(batches: number): Promise<void> {
  await addDestination(rig.db, 'soc');
  await rig.db.store([anEvent({ updated_at: '2026-07-03T00:00:00Z' })]);
  expect(await (await rig.drain()).ended).toBe(0);
  await rig.db.sql`
    with made as (
      insert into auditbox.batch (
        partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, replay_for)
      select partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, 'soc'
      from auditbox.batch cross join generate_series(2, ${batches}::int) returning id
    )
    insert into auditbox.delivery (destination, batch_id) select 'soc', id from made`;
  await rig.db.sql`
    update auditbox.delivery set state = 'sending', sent_as = '{}', lease_token = gen_random_uuid(), leased_until = now()
    where destination = 'soc'`;
  await rig.db.sql`
    update auditbox.delivery set state = 'done', done_at = now(), next_row = 1, lease_token = null, leased_until = null
    where destination = 'soc'`;
}

const inState = async (state: string) => (await rig.deliveries('soc')).filter((one) => one === state).length;

async function begin(args: readonly string[]) {
  const settings = await rig.configure(...(args[0] === 'remove' ? [] : [soc()]));
  const app = spawnApp('exporter/src/destinations-main.ts', { ...rig.env, LOG_LEVEL: 'fatal', ...settings }, args);
  return { app, lines: async () => ({ code: await app.ended, lines: app.output().trim().split('\n') }) };
}

const replay = ['replay', 'soc', '--all'];
const remove = ['remove', 'soc', '--yes'];

test.each([
  [replay, (n: number) => `${n} of 2500 batches`],
  [remove, (n: number) => `${n} rows`],
])('%s says after each thousand how far it is', async (args, progress) => {
  await deliverBatches(2_500);
  const { code, lines } = await (await begin(args)).lines();
  expect(code).toBe(0);
  expect(lines.slice(0, -1)).toEqual([1_000, 2_000, 2_500].map(progress));
  expect(lines.at(-1)).toMatch(/2500/);
  expect((await rig.deliveries('soc')).length).toBe(args === replay ? 2_500 : 0);
});

test.each([
  [replay, '1000 of 2500 batches', /^Stopped\. soc gets again: .*2000 sent batches \(2000 rows\)\. Repeat the command/],
  [remove, '1000 rows', /^Stopped\. 2000 deliveries and rejections are removed\. Repeat the command\.$/],
])(
  '%s that is told to stop ends its step and says what it did; repeated, it does the others',
  async (args, first, last) => {
    await deliverBatches(2_500);
    const stopped = await rig.db.sql.begin(async (sql) => {
      // The second step waits for this row.
      await sql`
      select from auditbox.delivery where destination = 'soc' and batch_id = (
        select batch_id from auditbox.delivery where destination = 'soc' order by batch_id offset 1500 limit 1
      ) for update`;
      const command = await begin(args);
      await eventually(() => expect(command.app.output()).toContain(first));
      command.app.signal('SIGTERM');
      return command;
    });
    const { code, lines } = await stopped.lines();
    expect({ code, last: lines.at(-1) }).toEqual({ code: 2, last: expect.stringMatching(last) });
    expect(await inState('done')).toBe(500);
    const again = await (await begin(args)).lines();
    expect(again.code).toBe(0);
    expect(again.lines.at(-1)).toMatch(/\b500\b/);
    expect(await inState('done')).toBe(0);
  },
);

test('a backlog of much more than the memory is delivered, with two batches at once', async () => {
  const [batches, events, bytes] = [2, 60, 1_000_000];
  await rig.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values, occurred_at)
    select 'ana', 'updated', 't', batch || '-' || n, to_json(repeat('x', ${bytes}::int)),
      timestamptz '2026-07-03T00:00:00Z' + batch * interval '1 hour'
    from generate_series(1, ${batches}::int) batch, generate_series(1, ${events}::int) n`;
  let received = 0;
  rig.receiver.answer = ({ body }) => {
    received += body.split('\n').length - 1;
    // The test need not keep what the exporter must not keep.
    (rig.receiver.requests as unknown[]).length = 0;
    return { status: 200 };
  };
  const settings = {
    ...(await rig.configure(soc({ since: 'all', concurrency: batches, maxBytes: 4_000_000 }))),
    ...{ DESTINATIONS: 'soc', EXPORT_BATCH_MAX_BYTES: String(2 * events * bytes), EXPORT_CONCURRENCY: '1' },
  };
  const app = spawnApp('exporter/src/main.ts', { ...rig.env, ...settings }, [], [`--max-old-space-size=${events}`]);
  const died = app.ended.then((how) => Promise.reject(new Error(`The exporter ended with ${how}.\n${app.output()}`)));
  const delivered = eventually(async () => expect(await rig.deliveries('soc')).toEqual(Array(batches).fill('done')));
  await Promise.race([delivered, died]);
  expect(received).toBe(batches * events);
});
