import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let api: ApiFixture;
beforeEach(async () => {
  api = await createApiFixture();
});
afterEach(() => api.close());

test('a schema that is older than this version: not ready, and the answer names the command', async () => {
  await api.db.sql`
    delete from auditbox.migration where tag = (select max(tag collate "C") from auditbox.migration)`;
  const { status, body } = await api.request('/readyz', { key: null });
  expect(status).toBe(503);
  expect(body.detail).toContain('run `npm run migrate`');
  expect((await api.request('/livez', { key: null })).status).toBe(200);
});

test('a database without a schema: not ready, and the answer names the command', async () => {
  await api.db.sql`drop schema auditbox cascade`;
  const { status, body } = await api.request('/readyz', { key: null });
  expect(status).toBe(503);
  expect(body.detail).toContain('run `npm run migrate`');
});

test('a schema that is newer, as in a rollback: ready with a warning, and events are stored', async () => {
  await api.db.sql`
    insert into auditbox.migration (tag, sha256) values ('9999_of_a_later_version', ${'a'.repeat(64)})`;
  const { status, text } = await api.request('/readyz', { key: null });
  expect(status).toBe(200);
  expect(text).toMatch(/^ready\n.*newer than this version/);
  expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
});
