import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { defaultSchema } from '@auditbox/db/database/schema-name.ts';
import { createContentHasher } from '@auditbox/db/events/content-key.ts';
import { storeAuditEvents } from '@auditbox/db/events/store-events.ts';
import { copyToCell, readCommonRows } from '@auditbox/db/migrate/copy-to-cell.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import { inject } from 'vitest';
import type { WireEvent } from '../fixtures/test-events.ts';
import { copyTestDatabase, createTestDatabase, dropTestDatabase } from './template-database.ts';

/** The migrated database of one test. */
export interface TestDatabase extends Database {
  readonly url: string;
  readonly schema: string;
  /** Stores events as the api does. */
  store(events: readonly WireEvent[]): Promise<void>;
  /** The number of outbox rows in each state. */
  states(): Promise<Record<string, number>>;
}

/** `copyOf`: the URL of a database that it begins with, as after a restore. */
export async function openTestDatabase(
  server = inject('databaseServer'),
  { copyOf }: { copyOf?: string } = {},
): Promise<TestDatabase> {
  const url = copyOf === undefined ? await createTestDatabase(server) : await copyTestDatabase(server, copyOf);
  const db = connectTo(url, defaultSchema);
  return {
    ...db,
    async close(timeoutMs) {
      await db.close(timeoutMs);
      await dropTestDatabase(server, url);
    },
  };
}

/**
 * Another schema in the database of a test, which can be a cell as the database itself: `npm run migrate` with DATABASE_CELLS gives
 * all cells the same key of content hashes. It is dropped with the database.
 */
export async function openTestSchema(url: string, schema: string): Promise<TestDatabase> {
  await migrateDatabase(url, { schema });
  await setUpRoles(url, { schema });
  await copyToCell({ name: schema, url, takesEvents: true }, await readCommonRows(url), schema);
  return connectTo(url, schema);
}

function connectTo(url: string, schema: string): TestDatabase {
  const db = connectDatabase({ url, schema, application: 'test', maxConnections: 5, statementTimeoutMs: 20_000 });
  const contentHasher = createContentHasher(db);
  return {
    ...db,
    url,
    schema,
    async store(events) {
      const hasher = await contentHasher();
      const sent = events.map(createAuditEvent);
      // As the api does with the master key, so that a test can send the same event again.
      const origin = { recordedBy: 'key:master', redacted: null } as const;
      await storeAuditEvents(
        db,
        sent.map((event) => ({ ...event, origin: { ...origin, contentHash: hasher.hash(event) } })),
      );
    },
    async states() {
      const rows = await db.sql<{ state: string; count: number }[]>`
        select state, count(*)::int as count from auditbox.outbox_status group by state order by state`;
      return Object.fromEntries(rows.map(({ state, count }) => [state, count]));
    },
  };
}
