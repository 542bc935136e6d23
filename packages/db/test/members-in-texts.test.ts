import { randomUUID } from 'node:crypto';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* LiteLLM's own export writes values as JSON text inside a JSON string. Filters find its teams and keys. */

let db: TestDatabase;
/** A service that writes by SQL. */
let writer: Sql;
beforeAll(async () => {
  db = await openTestDatabase();
  writer = postgres(urlAs('writer', db.url), { max: 1, onnotice: () => {} });
});
afterAll(() => Promise.all([writer.end(), db.close(1_000)]));

const once = JSON.stringify;

async function insert(before: string | null, updated: string | null): Promise<string> {
  const id = randomUUID();
  await writer`
    insert into auditbox.audit_log (id, changed_by, action, table_name, object_id, before_value, updated_values)
    values (${id}, 'ana', 'updated', 'teams', '1', ${before}::text::json, ${updated}::text::json)`;
  return id;
}

/** The ids of the events, each as often as it is found, and their number. */
async function find(filter: { teamId?: string; keyHash?: string; anyId?: string }) {
  const { events, total } = await findEvents(db as Database, {
    filter: { tenant: allTenants, ...filter },
    order: { by: 'updated_at', direction: 'asc' },
    after: null,
    offset: 0,
    limit: 100,
    countUpTo: 1_000,
  });
  return { ids: events.map(({ id }) => id), count: total?.count };
}

const team = (id: string) => `{"team_id": ${once(id)}, "spend": 1.50}`;

test.each<[string, string | null, string | null]>([
  ['in updated_values', null, once(team('T'))],
  ['in before_value', once(team('T')), null],
  ['in both', once(team('T')), once(team('T'))],
  ['in before_value, and another team in updated_values', once(team('T')), once(team('other'))],
  ['in before_value, which the update does not name', once(team('T')), once('{"spend": 2}')],
  ['next to an object with the same team', team('T'), once(team('T'))],
  ['before an object with the same team', once(team('T')), team('T')],
  ['with blanks around it', null, ` ${once(` \n${team('T')}\t`)}\n`],
  ['twice inside of a text', null, once(once(team('T')))],
  ['three times inside of a text', null, once(once(once(team('T'))))],
  ['as the last of two members', null, once('{"team_id": "first", "team_id": "T"}')],
  ['next to texts that Postgres cannot read', null, once('{"a": "\\u0000\\uD800", "team_id": "T", "b": "\\\\u0000"}')],
  ['with characters that are escaped', null, '"\\u007b\\"team_id\\":\\"T\\"}"'],
])('an event is found once by a team that its values have as JSON text: %s', async (_name, before, updated) => {
  const name = randomUUID();
  const [first, second] = [before, updated].map(
    (value) => value?.replaceAll('T\\', `${name}\\`).replaceAll('"T"', `"${name}"`) ?? null,
  );
  const id = await insert(first ?? null, second ?? null);
  for (const filter of [{ teamId: name }, { anyId: name }]) expect(await find(filter)).toEqual({ ids: [id], count: 1 });
  const [stored] = await db.sql`
    select before_value::text as before, updated_values::text as updated from auditbox.audit_log where id = ${id}`;
  expect(stored).toEqual({ before: first, updated: second });
});

test('an event is found by the key and the team together, and by a number as by its text', async () => {
  const [name, key] = [randomUUID(), randomUUID()];
  const id = await insert(null, once(`{"token": "${key}", "team_id": "${name}", "n": 1}`));
  expect(await find({ teamId: name, keyHash: key })).toEqual({ ids: [id], count: 1 });
  expect(await find({ teamId: name, keyHash: 'other' })).toEqual({ ids: [], count: 0 });
  const number = await insert(null, once('{"token": 471100}'));
  expect(await find({ keyHash: '471100' })).toEqual({ ids: [number], count: 1 });
});

test('a long team is found by its whole text alone', async () => {
  const name = 'x'.repeat(600);
  const id = await insert(null, once(team(name)));
  expect(await find({ teamId: name })).toEqual({ ids: [id], count: 1 });
  expect(await find({ teamId: `${name}y` })).toEqual({ ids: [], count: 0 });
  expect(await find({ teamId: name.slice(0, 512) })).toEqual({ ids: [], count: 0 });
});

test('a megabyte of characters that Postgres cannot read ends before the deadline of a statement', async () => {
  const value = once(`{"team_id": "T", "b": "${'\\ude00\\\\'.repeat(125_000)}"}`);
  // A search for halves of surrogate pairs, one after the other, did not end within 20 s.
  expect(await db.sql`select auditbox.member_in_text(${value}::text::json, 'team_id') as member`).toEqual([
    { member: 'T' },
  ]);
});

test.each([
  ['the beginning of an object', once('{"team_id": "nobody"')],
  ['an array', once('[{"team_id": "nobody"}]')],
  ['null', once('null')],
  ['a word', once('team_id')],
  ['nothing', once('')],
  ['a member of a member', once('{"a": {"team_id": "nobody"}}')],
  ['four texts', once(once(once(once(team('nobody')))))],
  ['a member that is null', once('{"team_id": null}')],
  ['escapes that end too early', once('{"team_id": "nobody", "b": "\\u00"}')],
  ['a megabyte of brackets', once(`{"team_id": "nobody", "b": ${'['.repeat(1_000_000)}`)],
  ['a megabyte of nested arrays', once(`{"team_id": "nobody", "b": ${'['.repeat(500_000)}${']'.repeat(500_000)}}`)],
  ['a megabyte of quotes', once(`{"team_id": "nobody${'"'.repeat(1_000_000)}`)],
])('a text that is no object with a team is stored as it came, and has none: %s', async (_name, value) => {
  const id = await insert(value, value);
  const [stored] =
    await db.sql`select updated_values::text = ${value} as same from auditbox.audit_log where id = ${id}`;
  expect(stored).toEqual({ same: true });
  expect(await find({ teamId: 'nobody' })).toEqual({ ids: [], count: 0 });
});
