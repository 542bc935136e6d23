import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { type OidcIssuer, startOidcIssuer } from '@auditbox/testing/servers/oidc-issuer.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Callers with a token of an OpenID Connect issuer. The issuer is a real one. */

const cooldownMs = 400;
let issuer: OidcIssuer;
let api: ApiFixture;
const settings = () => ({
  AUDIT_OIDC_ISSUER: issuer.url,
  AUDIT_OIDC_AUDIENCE: 'urn:auditbox',
  AUDIT_OIDC_SCOPE_MAP: 'auditors=read',
  AUDIT_OIDC_COOLDOWN_MS: String(cooldownMs),
  RATE_LIMIT_FAILED_KEYS: '0',
});
beforeAll(async () => {
  issuer = await startOidcIssuer();
  api = await createApiFixture(settings());
});
afterAll(async () => {
  await api.close();
  await issuer.close();
});

const list = (key: string, request = api.request) => request('/audit', { key });
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = (changed: object = {}) => ({
  iss: issuer.url,
  aud: 'urn:auditbox',
  sub: 'mallory',
  scope: 'admin',
  exp: Math.floor(Date.now() / 1000) + 600,
  ...changed,
});
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const forge = (header: object, changed: object = {}) => {
  const text = `${part({ alg: 'RS256', ...header })}.${part(claims(changed))}`;
  return `${text}.${sign('sha256', Buffer.from(text), stranger).toString('base64url')}`;
};

test('a token with scopes reads and writes, and recorded_by names its issuer and subject', async () => {
  const token = await issuer.issue({ scope: 'read write' });
  const { status, body } = await api.request('/audit', { key: token, body: anEvent({ changed_by: 'ceo' }) });
  expect(status).toBe(201);
  expect(body.recorded_by).toBe(`oidc:${issuer.url}:robot`);
  const found = await api.request(`/audit?recorded_by=${encodeURIComponent(body.recorded_by)}`, { key: token });
  expect(found.body.total).toBe(1);
  const { changed_by_api_key: _left, ...silent } = anEvent();
  expect((await api.request('/audit', { key: token, body: silent })).body.changed_by_api_key).toBe('oidc:robot');
});

test('a token has the scopes of its claim and of the map, and no others', async () => {
  expect((await list(await issuer.issue({ scope: 'auditors' }))).status).toBe(200);
  const reader = await issuer.issue({ scope: 'audit:read' });
  expect((await list(reader)).status).toBe(200);
  expect((await api.request('/audit', { key: reader, body: anEvent() })).status).toBe(403);
  expect((await api.request('/keys', { key: reader })).status).toBe(403);
  expect((await list(await issuer.issue({ scope: 'write' }))).status).toBe(403);
});

test('a token for another audience, with an expired time, or of another issuer is a 401 that says so', async () => {
  const answer = await list(await issuer.issue({ audience: 'urn:other' }));
  expect(answer).toMatchObject({
    status: 401,
    body: { code: 'unauthorized', detail: expect.stringContaining('"aud"') },
  });
  expect(answer.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
  // The tolerance is 5 s, which leaves a busy machine ten seconds for the first answer.
  const short = await issuer.issue({ lifetimeS: 5 });
  expect((await list(short)).status).toBe(200);
  await eventually(async () => expect((await list(short)).body.detail).toContain('expired'));
  const other = await startOidcIssuer();
  expect((await list(await other.issue())).status).toBe(401);
  await other.close();
});

test.each([
  ['none', () => `${part({ alg: 'none' })}.${part(claims())}.`],
  ['none with a signature', () => `${part({ alg: 'none' })}.${part(claims())}.AAAA`],
  [
    'HS256 with the public key of the issuer',
    () => {
      const text = `${part({ alg: 'HS256', kid: 'key-1' })}.${part(claims())}`;
      return `${text}.${createHmac('sha256', issuer.publicKey()).update(text).digest('base64url')}`;
    },
  ],
  ["another key under the issuer's name of a key", () => forge({ kid: 'key-1' })],
  ['a key that is in the token', () => forge({ jwk: { kty: 'RSA', n: 'AQAB', e: 'AQAB' } })],
  ['keys that the token leads to', () => forge({ jku: `${issuer.url}/jwks`, kid: 'x' })],
])('a token signed with %s is a 401', async (_what, make) => {
  expect((await list(make())).status).toBe(401);
});

test('a token that the issuer signed without an end is a 401, and with one it is valid', async () => {
  expect((await list(issuer.sign(claims()))).status).toBe(200);
  const answer = await list(issuer.sign(claims({ exp: undefined })));
  expect(answer).toMatchObject({ status: 401, body: { detail: expect.stringContaining('"exp"') } });
});

test('a token that is signed by another algorithm than those of the setting is a 401', async () => {
  const { request } = await startApi(urlAs('api', api.db.url), { ...settings(), AUDIT_OIDC_ALGORITHMS: 'ES256' });
  expect((await list(await issuer.issue(), request)).status).toBe(401);
});

test('a signature covers the claims', async () => {
  const [header, , signature] = (await issuer.issue({ scope: 'read' })).split('.');
  expect((await list(`${header}.${part(claims())}.${signature}`)).status).toBe(401);
});

test('with a claim for the tenant a token reads and writes its tenant alone, and without the claim it is not valid', async () => {
  const { request } = await startApi(urlAs('api', api.db.url), {
    ...{ ...settings(), AUDIT_OIDC_TENANT_CLAIM: 'org', AUDIT_READS: 'true' },
  });
  const [acme, other] = [
    await issuer.issue({ claims: { org: 'acme' } }),
    await issuer.issue({ claims: { org: 'other' } }),
  ];
  const { body } = await request('/audit', { key: acme, body: anEvent() });
  expect(body.tenant).toBe('acme');
  expect((await request(`/audit/${body.id}`, { key: acme })).status).toBe(200);
  expect((await request(`/audit/${body.id}`, { key: other })).status).toBe(404);
  for (const key of [acme, other, acme, other]) await request('/audit?recorded_after=2026-01-01', { key });
  expect(
    await api.db.sql`
      select tenant from auditbox.audit_log
      where action = 'read' and context ->> 'query' = 'recorded_after=2026-01-01' order by tenant`,
  ).toEqual([{ tenant: 'acme' }, { tenant: 'other' }]);
  const again = { body: { ...anEvent(), id: undefined }, headers: { 'idempotency-key': '"1"' } };
  for (const status of [201, 200])
    for (const key of [acme, other])
      expect(await request('/audit', { key, ...again })).toMatchObject({
        status,
        body: { recorded_by: body.recorded_by },
      });
  const { body: made } = await request('/keys', { body: { name: 'of acme', scopes: ['read'], tenant: 'acme' } });
  const history = async (key: string) =>
    (await request(`/audit/objects/auditbox.api_key/${made.id}`, { key })).body.audit_logs;
  expect(await history(acme)).toMatchObject([{ action: 'created', changed_by: 'master', tenant: 'acme' }]);
  expect(await history(other)).toEqual([]);
  expect((await list(await issuer.issue(), request)).body.detail).toContain('"org"');
  expect((await list(await issuer.issue({ claims: { org: ['acme'] } }), request)).status).toBe(401);
});

test('a denied token is an audit event', async () => {
  const { app, request } = await startApi(urlAs('api', api.db.url), settings());
  const startedAt = new Date().toISOString();
  await request('/audit', { key: forge({ kid: 'key-1' }) });
  app.signal('SIGTERM');
  await app.ended;
  const { body } = await api.request('/audit?action=denied&table_name=auditbox.request');
  // The other api stores what it denied in the tests before, once a minute.
  const denied = body.audit_logs.filter(
    ({ context }: { context: { first_at: string } }) => context.first_at >= startedAt,
  );
  expect(denied).toMatchObject([{ context: { reason: 'wrong token' } }]);
});

test('tokens of a new key are valid at once, and a flood of unknown keys makes one request in a cool-down', async () => {
  await list(await issuer.issue());
  await eventually(async () => {
    issuer.rollOver();
    expect((await list(await issuer.issue())).status).toBe(200);
  });
  const [before, startedAt] = [issuer.keyRequests(), performance.now()];
  const statuses = await Promise.all(
    Array.from({ length: 200 }, async (_each, n) => (await list(forge({ kid: `unknown-${n}` }))).status),
  );
  expect(new Set(statuses)).toEqual(new Set([401]));
  const coolDowns = Math.ceil((performance.now() - startedAt) / cooldownMs);
  expect(issuer.keyRequests() - before).toBeLessThanOrEqual(coolDowns + 1);
});

test('while the issuer is down known keys stay valid, an unknown key is a 503, and a fresh api answers 503', async () => {
  const token = await issuer.issue();
  expect((await list(token)).status).toBe(200);
  const fresh = await startApi(urlAs('api', api.db.url), settings());
  issuer.setDown(true);
  const answer = await list(token, fresh.request);
  expect(answer).toMatchObject({ status: 503, body: { code: 'issuer-unavailable' } });
  expect(answer.headers.get('retry-after')).toBe('5');
  expect((await fresh.request('/audit')).status).toBe(200);
  expect((await list(token)).status).toBe(200);
  await eventually(async () => expect((await list(forge({ kid: 'unknown' }))).status).toBe(503));
  issuer.setDown(false);
  await eventually(async () => expect((await list(token, fresh.request)).status).toBe(200));
  await eventually(async () => expect((await list(forge({ kid: 'unknown' }))).status).toBe(401));
});

test('without the settings no token is valid', async () => {
  const { request } = await startApi(urlAs('api', api.db.url));
  expect((await list(await issuer.issue(), request)).status).toBe(401);
});
