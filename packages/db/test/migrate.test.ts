import { migrateDatabase } from '@auditbox/db/migrate.ts';
import { createTestDatabase } from '@auditbox/testing/template-database.ts';
import postgres from 'postgres';
import { expect, inject, test } from 'vitest';

test('ten processes that migrate an empty database at once all succeed, and it is migrated once', async () => {
  const url = await createTestDatabase(inject('databaseServer'), { empty: true });
  await Promise.all(Array.from({ length: 10 }, () => migrateDatabase(url)));
  const sql = postgres(url, { max: 1 });
  const [{ applied, distinct }] = await sql<[{ applied: number; distinct: number }]>`
    select count(*)::int as applied, count(distinct hash)::int as distinct from drizzle.__drizzle_migrations`;
  await sql.end();
  expect(applied).toBeGreaterThan(0);
  expect(distinct).toBe(applied);
});
