import { setTimeout as sleep } from 'node:timers/promises';
import { removeDestination } from '@auditbox/db/export/destinations.ts';
import { receiverName } from '../scene/receiver.ts';
import { restartExporters } from '../scene/restart.ts';
import { idOfCell, type Scene } from '../scene/scene.ts';
import { BrokenPromise, type Fault } from './fault.ts';
import { compareLagOfS3, databaseNow, expectOneKeyEach, judgeReceiver, receiverOf, webhook } from './judge-receiver.ts';
import { waitFor } from './wait-for.ts';

/** New batches go before the history with two batches at once. */
const entry = { ...webhook, concurrency: 2, maxRows: 500, timeoutMs: 10_000 };

/**
 * The database knows a long history, all of it exported to S3, when a destination is added that asks for all of it. The writers
 * go on. `--history-rows` sets how long the history is.
 */
export const receiverAdded: Fault = {
  name: 'receiver-added-with-history',
  about: 'a webhook that is added with a history of many events while writers go on',
  destination: entry,
  // A batch of the other faults has 20 rows, so a long history would be of many more batches than anywhere else.
  settings: { EXPORT_BATCH_MAX_ROWS: '2000' },
  alone: true,
  needsHistory: true,
  share: 0.2,
  async strike(strike) {
    const { scene, writer, day, random, historyRows, testify } = strike;
    const receiver = receiverOf(scene);
    await forgetReceiver(scene);
    const inserted = await insertHistory(scene, historyRows, day);
    testify({ sent: [], rejected: new Set(), inserted });
    await waitForS3(scene);
    const from = await databaseNow(scene);
    await writer.acknowledged(40);
    const addedFrom = await databaseNow(scene);
    const first = receiver.received.length;
    await receiver.configure(entry);
    await restartExporters(scene, 'SIGTERM');
    await writer.acknowledged(40);
    const addedUntil = await databaseNow(scene);
    const lag = await compareLagOfS3(scene, { from, until: addedFrom }, { from: addedFrom, until: addedUntil });
    if (random.chance(50)) await scene.exporters.killAll();
    // Seals that were running when it was added have ended, so the end of the history need not wait a minute for them.
    await scene.db.sql`
      update auditbox.destination set created_at = created_at - interval '1 minute' where name = ${receiverName}`;
    await untilTaken(scene, inserted);
    // The end of a history is gone through again, and nothing may come of it.
    await waitFor(
      scene.db.sql,
      (sql) => sql`select from auditbox.destination where name = ${receiverName} and history_behind is null`,
    );
    await judgeReceiver(strike);
    expectOneKeyEach(receiver, first);
    lag.expect();
  },
};

/** The state before anybody added the destination. */
async function forgetReceiver(scene: Scene): Promise<void> {
  await receiverOf(scene).configure(null);
  await restartExporters(scene, 'SIGTERM');
  for (const { db } of scene.cells) while ((await removeDestination(db, receiverName, 10_000)) > 0);
}

const rowsPerStatement = 10_000;

const dayMs = 86_400_000;

/** Events of a past day, evenly over all of its hours. Returns their ids, which belong to the struck cell. */
async function insertHistory(scene: Scene, rows: number, day: string): Promise<ReadonlySet<string>> {
  const { sql } = scene.db;
  const start = new Date(Date.parse(day) - 365 * dayMs).toISOString();
  const inserted = new Set<string>();
  await sql`select auditbox.make_month(${start}::text::timestamptz)`;
  while (inserted.size < rows) {
    const ids = Array.from({ length: Math.min(rowsPerStatement, rows - inserted.size) }, () => idOfCell(scene));
    await sql`
      insert into auditbox.audit_log
        (id, occurred_at, occurred_at_digits, changed_by, action, table_name, object_id, updated_values)
      select id, ${start}::text::timestamptz + (${inserted.size}::bigint + n) * 86400 / ${rows + 1} * interval '1 second',
        0, 'ana@example.com', 'updated', 'teams', n::text, '{"history":true}'
      from unnest(${`{${ids.join(',')}}`}::text::uuid[]) with ordinality as event (id, n)`;
    for (const id of ids) inserted.add(id);
  }
  await sql`vacuum analyze`;
  return inserted;
}

/** Everything that was recorded until now is in S3. */
async function waitForS3(scene: Scene): Promise<void> {
  const now = await databaseNow(scene);
  const [{ newest }] = await scene.db.sql<[{ newest: string }]>`select max(id)::text as newest from auditbox.outbox`;
  // Far cheaper than the view for a million rows.
  await waitFor(
    scene.db.sql,
    (sql) => sql`
      select from auditbox.frontier f
      where f.sealed_up_to >= ${newest} and not f.gaps && int8multirange(int8range(0, ${newest}))
        and not exists (
          select from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
          where d.destination = 's3' and d.state <> 'done' and b.first_recorded_at <= ${now}::text::timestamptz)`,
  );
}

async function untilTaken(scene: Scene, ids: ReadonlySet<string>): Promise<void> {
  const receiver = receiverOf(scene);
  const left = new Set(ids);
  for (let seen = 0; left.size > 0; await sleep(50)) {
    for (; seen < receiver.received.length; seen += 1) {
      const request = receiver.received[seen];
      if (request?.isTaken) for (const id of request.ids) left.delete(id);
    }
    const [{ isDone }] = await scene.db.sql<[{ isDone: boolean }]>`
      select coalesce((select history_behind is null from auditbox.destination where name = ${receiverName}), false)
        and not exists (
          select from auditbox.delivery where destination = ${receiverName} and state <> 'done') as "isDone"`;
    if (isDone && seen === receiver.received.length && left.size > 0)
      throw new BrokenPromise(`The history is said to be delivered; the receiver lacks ${left.size} of its events.`);
  }
}
