import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

async function makeKey(body: object): Promise<string> {
  return (await api.request('/keys', { body })).body.key;
}

test('the states of several events come in one answer, and unknown events are left out', async () => {
  const [one, other] = [anEvent(), anEvent()];
  await api.request('/audit/batch', { body: [one, other] });
  const nobody = '00000000-0000-4000-8000-000000000000';
  const { status, body } = await api.request(`/audit/archive?ids=${one.id},${other.id},${nobody},${one.id}`);
  expect(status).toBe(200);
  expect(body.archive).toHaveLength(2);
  for (const { id } of [one, other]) expect(body.archive).toContainEqual({ id, state: 'pending', exported_at: null });
});

test('a key that is bound to a tenant gets the states of its events alone', async () => {
  const [ours, theirs, nobodys] = [anEvent(), anEvent(), anEvent()];
  const ourKey = await makeKey({ name: 'ours', scopes: ['read', 'write'], tenant: 'ours' });
  const theirKey = await makeKey({ name: 'theirs', scopes: ['write'], tenant: 'theirs' });
  await api.request('/audit', { key: ourKey, body: ours });
  await api.request('/audit', { key: theirKey, body: theirs });
  await api.request('/audit', { body: nobodys });
  const path = `/audit/archive?ids=${[ours, theirs, nobodys].map(({ id }) => id).join()}`;
  expect((await api.request(path)).body.archive).toHaveLength(3);
  expect((await api.request(path, { key: ourKey })).body.archive).toMatchObject([{ id: ours.id }]);
  expect((await api.request(path, { key: theirKey })).status).toBe(403);
});

test.each(['', 'ids=', 'ids=1', `ids=${Array.from({ length: 201 }, () => crypto.randomUUID()).join()}`])(
  'a request that does not name up to 200 events is a 400 (%#)',
  async (query) => {
    const { status, body } = await api.request(`/audit/archive?${query}`);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ path: expect.stringMatching(/^ids/) }]);
  },
);

test('every valid key learns who it is, and no other', async () => {
  const key = await makeKey({ name: 'narrow', scopes: ['audit:write'], tenant: 'acme' });
  const { status, body } = await api.request('/me', { key });
  expect(status).toBe(200);
  expect(body).toEqual({ id: expect.any(String), name: 'narrow', scopes: ['audit:write'], tenant: 'acme' });
  expect((await api.request('/me')).body).toMatchObject({ id: 'master', tenant: null });
  expect((await api.request('/me', { key: 'abx_live_unknown' })).status).toBe(401);
});
