import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { setting } from '../setting.ts';
import { connectStore, rowsPerObject } from '../upload-lines.ts';

/** Each loop has its own transaction, which stays open during the upload. */
const loops = 4;

/** Pause when the outbox is empty. */
const idleMs = 100;

const sql = postgres(setting('DATABASE_URL'), { max: loops });
const upload = connectStore();
let stopping = false;
process.once('SIGTERM', () => {
  stopping = true;
});

process.stdout.write('ready\n');
await Promise.all(Array.from({ length: loops }, runLoop));
await sql.end();

async function runLoop(): Promise<void> {
  while (!stopping) {
    if (!(await exportBatch())) await delay(idleMs);
  }
}

/** Returns whether there were rows to export. The rows stay locked until the object is in the bucket. */
function exportBatch(): Promise<boolean> {
  return sql.begin(async (transaction) => {
    const rows = await transaction`
      select
        o.id as outbox_id, a.id, a.occurred_at as updated_at, a.changed_by, a.changed_by_api_key, a.action, a.table_name,
        a.object_id, a.before_value, a.updated_values, a.context, a.recorded_at
      from outbox o join audit a on a.id = o.audit_id
      where o.status = 'pending'
      order by o.id
      limit ${rowsPerObject}
      for update of o skip locked`;
    if (rows.length === 0) return false;
    await upload(rows.map(({ outbox_id, ...event }) => event));
    await transaction`
      update outbox set status = 'done' where id = any(${rows.map(({ outbox_id }) => outbox_id)}::bigint[])`;
    return true;
  });
}
