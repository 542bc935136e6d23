import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { expect, test } from 'vitest';

test('questions of many shapes leave no statement behind in the memory of a connection', async () => {
  const db = await openTestDatabase();
  const reader = connectDatabase({
    url: db.url,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    avoidSeqScans: true,
    onlyReads: 'in order',
  });
  for (let count = 2; count < 10; count += 1) {
    const filter = { tenant: allTenants, changedBy: Array.from({ length: count }, (_, n) => `actor-${n}`) };
    const order = { by: 'updated_at', direction: 'desc' } as const;
    await findEvents(reader, { filter, order, after: null, offset: 0, limit: 10, countUpTo: 1_000 });
  }
  expect(await reader.sql`select statement from pg_prepared_statements where name <> ''`).toEqual([]);
  await reader.close(1_000);
  await db.close(1_000);
});
