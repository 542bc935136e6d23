import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { writeAuditEvents } from '@auditbox/db/events/write-events.ts';
import type { Sql } from 'postgres';

/** A service on postgres.js: the team's new budget, the audit row and its outbox row commit together, or none does. */
export async function changeBudget(sql: Sql, teamId: string, budget: number, changedBy: string): Promise<void> {
  await sql.begin(async (tx) => {
    const [before] = await tx`select max_budget from teams where id = ${teamId} for update`;
    const [after] = await tx`update teams set max_budget = ${budget} where id = ${teamId} returning max_budget`;
    await writeAuditEvents(tx, [
      createAuditEvent({
        changed_by: changedBy,
        action: 'updated',
        table_name: 'teams',
        object_id: teamId,
        before_value: before,
        updated_values: after,
      }),
    ]);
  });
}
