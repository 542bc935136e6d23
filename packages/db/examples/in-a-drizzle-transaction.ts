import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { writeAuditEvents } from '@auditbox/db/events/write-events.ts';
import { eq } from 'drizzle-orm';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';

const teams = pgTable('teams', { id: text().primaryKey(), maxBudget: integer('max_budget').notNull() });

/** A service on drizzle: the removal, the audit row and its outbox row commit together, or none does. */
export async function removeTeam(db: PostgresJsDatabase, teamId: string, changedBy: string): Promise<void> {
  await db.transaction(async (tx) => {
    const [before] = await tx.delete(teams).where(eq(teams.id, teamId)).returning();
    await writeAuditEvents(tx, [
      createAuditEvent({
        changed_by: changedBy,
        action: 'deleted',
        table_name: 'teams',
        object_id: teamId,
        before_value: before,
        updated_values: {},
      }),
    ]);
  });
}
