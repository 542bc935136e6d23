import { someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Scene } from '../scene/scene.ts';
import type { Fault } from './fault.ts';
import { waitFor } from './wait-for.ts';

/**
 * Somebody moved the frontier past rows that are in no batch, and events were written while the trigger was off. Only the
 * reconciliation finds both. It is killed between two blocks.
 */
export const killedInReconciliation: Fault = {
  name: 'exporter-killed-in-reconciliation',
  about: 'exporters killed between two blocks of the reconciliation, which finds rows that a wrong frontier lost',
  alone: true,
  async strike({ scene, writer, day, random, testify }) {
    const { db, exporters } = scene;
    await writer.acknowledged(20);
    exporters.resize(0);
    await exporters.killAll();
    await writer.acknowledged(10);
    const sent = await insertWithoutTrigger(scene, day);
    await db.sql`
      update auditbox.frontier
      set sealed_up_to = (select max(id) from auditbox.outbox), gaps = '{}', closing = '{}', closing_xid = null`;
    exporters.arm({ FAULT_POINT: 'exporter between two blocks of the reconciliation' }, random.between(1, 3));
    exporters.resize(1);
    await exporters.disarmed();
    await waitFor(
      db.sql,
      (sql) => sql`
        select where not exists (
          select from auditbox.audit_log a
          where not exists (select from auditbox.outbox o where o.audit_id = a.id))`,
    );
    testify({ sent, rejected: new Set() });
  },
};

/** The trigger is on again when this resolves. */
async function insertWithoutTrigger({ db }: Scene, day: string): Promise<readonly WireEvent[]> {
  const events = someEvents(3, { updated_at: `${day}T11:00:00Z`, updated_values: { trigger: 'off' } });
  await db.sql.begin(async (tx) => {
    await tx`alter table auditbox.audit_log disable trigger audit_log_to_outbox`;
    for (const { id, changed_by, action, table_name, object_id, before_value, updated_values } of events) {
      await tx`
        insert into auditbox.audit_log
          (id, occurred_at, occurred_at_digits, changed_by, action, table_name, object_id, before_value, updated_values)
        values (${id}, ${`${day}T11:00:00Z`}::text::timestamptz, 0, ${changed_by}, ${action}, ${table_name}, ${object_id},
          ${JSON.stringify(before_value)}::text::json, ${JSON.stringify(updated_values)}::text::json)`;
    }
    await tx`alter table auditbox.audit_log enable always trigger audit_log_to_outbox`;
  });
  return events;
}
