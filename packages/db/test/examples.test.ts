import { readFile } from 'node:fs/promises';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeTeam } from '../examples/in-a-drizzle-transaction.ts';
import { changeBudget } from '../examples/in-a-postgres-transaction.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
  await db.sql
    .unsafe(
      "create table public.teams (id text primary key, max_budget int not null check (max_budget >= 0)); insert into public.teams values ('team-1', 10)",
    )
    .simple();
});
afterAll(() => db.close(1_000));

/** The newest event with its outbox state, and how many there are. */
async function newest() {
  const rows = await db.sql`
    select a.changed_by, a.action, a.before_value, a.updated_values, s.state
    from auditbox.audit_log a join auditbox.outbox_status s on s.audit_id = a.id order by s.id desc`;
  return { count: rows.length, event: rows[0] };
}

test('in a postgres.js transaction', async () => {
  const service = postgres(db.url, { max: 1 });
  await changeBudget(service, 'team-1', 25, 'ana');
  expect(await newest()).toMatchObject({
    count: 1,
    event: {
      changed_by: 'ana',
      action: 'updated',
      before_value: { max_budget: 10 },
      updated_values: { max_budget: 25 },
      state: 'pending',
    },
  });
  await expect(changeBudget(service, 'team-1', -1, 'ana')).rejects.toThrow('teams_max_budget_check');
  await expect(changeBudget(service, 'team-1', 99, 'a'.repeat(513))).rejects.toThrow('changed_by');
  expect(await newest()).toMatchObject({ count: 1 });
  expect(await db.sql`select max_budget from public.teams`).toEqual([{ max_budget: 25 }]);
  await service.end();
});

test('from any language by a plain INSERT', async () => {
  const script = await readFile(new URL('../examples/from-any-language.sql', import.meta.url), 'utf8');
  const service = postgres(db.url, { max: 1 });
  await service.unsafe(script).simple();
  await service.end();
  expect(await newest()).toMatchObject({
    count: 2,
    event: { changed_by: 'cron', updated_values: { max_budget: 40 }, state: 'pending' },
  });
});

test('in a drizzle transaction', async () => {
  const service = postgres(db.url, { max: 1 });
  const orm = drizzle(service);
  const failing = orm.transaction(async (tx) => {
    await removeTeam(tx as unknown as typeof orm, 'team-1', 'bob');
    throw new Error('the rest failed');
  });
  await expect(failing).rejects.toThrow('the rest failed');
  expect(await newest()).toMatchObject({ count: 2 });
  await removeTeam(orm, 'team-1', 'bob');
  expect(await newest()).toMatchObject({
    count: 3,
    event: {
      changed_by: 'bob',
      action: 'deleted',
      before_value: { id: 'team-1', maxBudget: 40 },
      updated_values: {},
      state: 'pending',
    },
  });
  expect(await db.sql`select from public.teams`).toHaveLength(0);
  await service.end();
});
