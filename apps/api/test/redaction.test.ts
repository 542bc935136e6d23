import { randomUUID } from 'node:crypto';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { leakyJson, leakyText } from '@auditbox/testing/fixtures/planted-secrets.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Secrets in events, on their way from a request to the table. The rules themselves are tested in packages/core. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

const secret = `hunter2-${randomUUID()}`;
const leaky = (fields: object = {}) =>
  anEvent({ updated_values: { config: { api_key: secret }, n: 1.5 }, context: { note: 'ok' }, ...fields });

async function stored(): Promise<string> {
  const rows = await api.db.sql<{ row: string }[]>`select a::text as row from auditbox.audit_log a`;
  return rows.map(({ row }) => row).join('\n');
}

test('a secret is replaced before it is stored, and the event says where', async () => {
  const event = leaky();
  const answer = await api.request('/audit', { body: event });
  expect(answer).toMatchObject({
    status: 201,
    body: {
      updated_values: { config: { api_key: '[redacted:api-key]' }, n: 1.5 },
      context: { note: 'ok' },
      redacted: ['/updated_values/config/api_key'],
    },
  });
  expect((await api.request(`/audit/${event.id}`)).body.redacted).toEqual(['/updated_values/config/api_key']);
  expect(await stored()).not.toContain(secret);
  expect((await api.request('/metrics')).text).toMatch(/auditbox_redacted_values_total\{kind="api-key"\} [1-9]/);
});

test('the same event with its secret again is a 200, and with another secret a 409', async () => {
  const event = leaky();
  expect((await api.request('/audit', { body: event })).status).toBe(201);
  expect((await api.request('/audit', { body: event })).status).toBe(200);
  expect((await api.request('/audit/batch', { body: [event] })).body).toMatchObject({ created: 0, existing: 1 });
  const other = { ...event, updated_values: { config: { api_key: 'another' }, n: 1.5 } };
  expect((await api.request('/audit', { body: other })).status).toBe(409);
});

test('both forms of a batch are redacted', async () => {
  for (const path of ['/audit/batch', '/audit/batch?partial=true']) {
    const event = leaky();
    expect((await api.request(path, { body: [event, anEvent()] })).status).toBe(201);
    expect((await api.request(`/audit/${event.id}`)).body.redacted).toHaveLength(1);
  }
  expect(await stored()).not.toContain(secret);
});

test('values without secrets keep their digits, order and escapes', async () => {
  const id = randomUUID();
  const values = '{"b":12345678901234567890.10,"a":1.0,"password":"x1","u":"\\u00e4\\/","a":1e2}';
  const body = `{"id":"${id}","changed_by":"ana","action":"updated","table_name":"t","object_id":"1","updated_values":${values}}`;
  const { text } = await api.request('/audit', { body });
  expect(text).toContain(values.replace('"x1"', '"[redacted:password]"'));
  expect((await api.request(`/audit/export?object_id=1`)).text).toContain(
    values.replace('"x1"', '"[redacted:password]"'),
  );
});

test('dry_run=true answers what would be stored, and stores nothing', async () => {
  const event = leaky();
  const dry = await api.request('/audit?dry_run=true', { body: event });
  expect(dry).toMatchObject({
    status: 200,
    body: {
      id: event.id,
      updated_values: { config: { api_key: '[redacted:api-key]' } },
      redacted: [expect.any(String)],
    },
  });
  expect(dry.headers.get('location')).toBeNull();
  const batch = await api.request('/audit/batch?dry_run=true', { body: [event, { id: 'x' }, anEvent()] });
  expect(batch).toMatchObject({
    status: 200,
    body: { events: [{ id: event.id, redacted: [expect.any(String)] }, null, {}], errors: [{ path: '[1].id' }] },
  });
  expect((await api.request(`/audit/${event.id}`)).status).toBe(404);
  expect((await api.request('/audit?dry_run=true', { body: { ...event, action: 'x' } })).status).toBe(422);
  expect((await api.request('/audit?dry_run=maybe', { body: event })).status).toBe(400);
  const { body: writer } = await api.request('/keys', {
    body: { name: 'narrow', scopes: ['write'], bounds: { table_name: ['x'] } },
  });
  expect((await api.request('/audit?dry_run=true', { key: writer.key, body: event })).status).toBe(403);
});

test.each(['partial=true', 'dry_run=true'])('with %s no problem of an event repeats a secret', async (query) => {
  const key = `sk-A1${randomUUID().replaceAll('-', '')}`;
  const unknown = { ...anEvent(), [key]: 1 };
  const unreadable = JSON.stringify(anEvent()).replace('{"max_budget":25}', `{"${key}":"\\u0000"}`);
  const body = `[${JSON.stringify(anEvent())},${JSON.stringify(unknown)},${unreadable}]`;
  const answer = await api.request(`/audit/batch?${query}`, { body });
  expect(answer.body.errors).toMatchObject([
    { path: '[1].[redacted:api-key]' },
    { path: '[2].updated_values.[redacted:api-key]' },
  ]);
  expect(answer.text).not.toContain(key);
});

test('settings choose the mode and the rules', async () => {
  const start = (settings: Record<string, string>) => startApi(urlAs('api', api.db.url), settings);
  const values = { ssn: '123-45-6789', cookie: 'a=b', password: secret, t: 'acme_A1b2C3d4E5f6G7h8' };
  const post = async ({ request }: Awaited<ReturnType<typeof start>>) =>
    (await request('/audit', { body: anEvent({ updated_values: values }) })).body.updated_values;
  expect(await post(await start({ AUDIT_REDACT_MODE: 'off' }))).toEqual(values);
  const hmac = await start({
    AUDIT_REDACT_MODE: 'hmac',
    AUDIT_REDACT_KEY: randomUUID().replaceAll('-', '') + randomUUID().replaceAll('-', ''),
    AUDIT_REDACT_NAMES: 'ssn',
    AUDIT_REDACT_PREFIXES: 'acme_',
    AUDIT_REDACT_SKIP: 'cookie',
  });
  const [first, second] = [await post(hmac), await post(hmac)];
  expect(first).toEqual(second);
  expect(first).toEqual({
    ssn: expect.stringMatching(/^\[redacted:ssn:hmac:[0-9a-f]{16}\]$/),
    cookie: 'a=b',
    password: expect.stringMatching(/^\[redacted:password:hmac:/),
    t: expect.stringMatching(/^\[redacted:token:hmac:/),
  });
});

test('auditbox.record stores of any event what POST /audit stores of it', async () => {
  const writer = postgres(urlAs('writer', api.db.url), { max: 1, onnotice: () => {} });
  const value = leakyJson.filter((text) => text !== 'null');
  const event = fc.record({ objectId: leakyText, before: value, updated: value, context: value });
  const row = async (id: string) =>
    (
      await api.db.sql`
        select object_id, before_value::text, updated_values::text, context::text, redacted::text
        from auditbox.audit_log where id = ${id}::uuid`
    )[0];
  let redacted = 0;
  await fc.assert(
    fc.asyncProperty(event, async ({ objectId, before, updated, context }) => {
      const given = { changed_by: 'ana', action: 'updated', table_name: 't', object_id: `o${objectId}`.slice(0, 500) };
      const values = `"before_value":${before},"updated_values":${updated},"context":{"c":${context}}`;
      const { status, body } = await api.request('/audit', {
        body: `${JSON.stringify(given).slice(0, -1)},${values}}`,
      });
      expect(status).toBe(201);
      const [recorded] = await writer<{ id: string }[]>`
        select auditbox.record('ana', 'updated', 't', ${given.object_id}, before_value => ${before}::text::json,
          updated_values => ${updated}::text::json, context => ${`{"c":${context}}`}::text::json) as id`;
      const byApi = await row(body.id);
      expect(await row(recorded?.id ?? '')).toEqual(byApi);
      if (byApi?.redacted !== null) redacted += 1;
    }),
    { numRuns: 300 },
  );
  expect(redacted).toBeGreaterThan(100);
  await writer.end();
});
