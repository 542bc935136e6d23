import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { createContentHasher } from '@auditbox/db/events/content-key.ts';
import { storeAuditEvents } from '@auditbox/db/events/store-events.ts';
import { inject } from 'vitest';
import type { WireEvent } from '../fixtures/test-events.ts';
import { copyTestDatabase, createTestDatabase, dropTestDatabase } from './template-database.ts';

/** The migrated database of one test. */
export interface TestDatabase extends Database {
  readonly url: string;
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
  const db = connectDatabase({ url, application: 'test', maxConnections: 5, statementTimeoutMs: 20_000 });
  const contentHasher = createContentHasher(db);
  return {
    ...db,
    url,
    async close(timeoutMs) {
      await db.close(timeoutMs);
      await dropTestDatabase(server, url);
    },
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
