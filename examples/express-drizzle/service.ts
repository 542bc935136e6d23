import { recordEvents, withDrizzle } from '@auditbox/writer';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import express, { type Express } from 'express';
import type { Pool } from 'pg';

const teams = pgTable('teams', { id: text().primaryKey(), maxBudget: integer('max_budget').notNull() });

/**
 * A service of teams. Each change and its event commit together, or neither does. `pool` has a login that is a member of
 * `auditbox_writer`.
 */
export function createService(pool: Pool): Express {
  const db = drizzle(pool);
  const app = express().use(express.json());

  app.patch('/teams/:id', async (request, response) => {
    const { id } = request.params;
    const maxBudget = Number(request.body.max_budget);
    const changed = await db.transaction(async (tx) => {
      const [before] = await tx.select().from(teams).where(eq(teams.id, id)).for('update');
      if (before === undefined) return null;
      const [after] = await tx.update(teams).set({ maxBudget }).where(eq(teams.id, id)).returning();
      await recordEvents(withDrizzle(tx, sql), [
        {
          // From the session of the user, in a real service.
          changed_by: request.get('x-user') ?? 'unknown',
          action: 'updated',
          table_name: 'teams',
          object_id: id,
          before_value: before,
          updated_values: after,
          context: { request_id: request.get('x-request-id') },
        },
      ]);
      return after;
    });
    if (changed === null) response.status(404).end();
    else response.json(changed);
  });

  return app;
}
