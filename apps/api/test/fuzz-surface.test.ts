import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { type OidcIssuer, startOidcIssuer } from '@auditbox/testing/servers/oidc-issuer.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routes } from '../src/routes.ts';
import { type FuzzedRequest, type FuzzedRoute, surfaceRequest } from './fuzz/surface.ts';
import { type AnswerWatch, watchAnswers } from './fuzz/watch-answers.ts';

/*
 * Random requests to every route with every kind of key, 25 at a time. No answer is a 5xx or takes longer than ten seconds, each
 * error is a problem document, a key without a scope gets a 403, and a key of a tenant sees nothing of another one.
 * FUZZ_REQUESTS=100000 sends more. A failure prints the seed and the request.
 */

const requests = Number(process.env.FUZZ_REQUESTS ?? 1_500);
const atOnce = 25;

let rig: ExporterFixture;
let issuer: OidcIssuer;
let api: Awaited<ReturnType<typeof startApi>>;
/** The scopes of each kind of key, and what it sends. */
const kinds = new Map<string, { readonly scopes: readonly string[]; readonly key: string | null }>();
let given: fc.Arbitrary<FuzzedRequest>;
const marker = 'zebra7others';
const statuses = new Map<string, number>();
let watch: AnswerWatch;

async function makeKey(body: object): Promise<{ id: string; key: string }> {
  const made = await api.request('/keys', { body: { name: randomUUID(), ...body } });
  expect(made.status, made.text).toBe(201);
  return made.body;
}

const all = ['audit:read', 'audit:write', 'export:read', 'export:replay', 'keys:admin'];

async function makeKinds(): Promise<void> {
  for (const scope of all) kinds.set(scope, { scopes: [scope], ...(await makeKey({ scopes: [scope] })) });
  kinds.set('tenant', { scopes: all, ...(await makeKey({ scopes: ['admin'], tenant: 'acme' })) });
  const bounds = { table_name: ['teams'], changed_by: ['svc-*'], oldest_event_days: 10 };
  kinds.set('bound', { scopes: all, ...(await makeKey({ scopes: ['admin'], bounds })) });
  // Valid until the end of the longest run.
  const token = await issuer.issue({ scope: 'read', lifetimeS: 86_400 });
  kinds.set('token', { scopes: ['audit:read', 'export:read'], key: token });
  kinds.set('none', { scopes: [], key: null });
  kinds.set('unknown', { scopes: [], key: `abx_live_${'0'.repeat(38)}` });
  kinds.set('wrong token', { scopes: [], key: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.x' });
  const revoked = await makeKey({ scopes: ['admin'] });
  await api.request(`/keys/${revoked.id}`, { method: 'DELETE' });
  kinds.set('revoked', { scopes: [], key: revoked.key });
  const expired = await makeKey({ scopes: ['admin'] });
  await rig.db.sql`update auditbox.api_key set expires_at = now() where key_id = ${expired.id}::uuid`;
  kinds.set('expired', { scopes: [], key: expired.key });
}

/** Logged batches, a failed one, a rejected row, and what waits. */
async function fillExport(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-fuzz-'));
  const file = join(folder, 'log.pem');
  await writeFile(file, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const logged = { EXPORT_LOG_ORIGIN: 'log.example/fuzz', EXPORT_LOG_KEY_FILE: file, EXPORT_LOG_INTERVAL_MS: '100' };
  expect(await (await rig.drain(logged)).ended).toBe(0);
  await rig.db.sql`insert into auditbox.destination (name) values ('soc') on conflict do nothing`;
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'PUT' && path.includes('.ndjson') ? { status: 400, code: 'KeyTooLongError' } : undefined,
  };
  await rig.db.store([anEvent({ updated_at: '2026-07-09T00:00:00Z' })]);
  await rig.drain(logged);
  rig.proxy.intervene = {};
}

function describeRoutes(document: { paths: Record<string, Record<string, unknown>> }): FuzzedRoute[] {
  const names = (operation: unknown) =>
    ((operation as { parameters?: { name: string; in: string }[] })?.parameters ?? [])
      .filter((one) => one.in === 'query')
      .map(({ name }) => name);
  const documented = routes.map(({ method, path, access, body }) => ({
    method,
    path,
    access,
    parameters: names(document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method]),
    types: body?.types ?? [],
  }));
  const open = [
    '/openapi.json',
    '/docs',
    '/docs/start.js',
    '/ui',
    '/ui/log',
    '/ui/assets/x.js',
    '/.well-known/security.txt',
  ];
  const pages = open.map((path) => ({ method: 'get', path, access: 'public', parameters: [], types: [] }));
  return [...documented, ...pages];
}

beforeAll(async () => {
  rig = await createExporterFixture();
  issuer = await startOidcIssuer();
  const store = Object.entries(rig.env).filter(([name]) => /^(S3|AWS)_/.test(name));
  api = await startApi(urlAs('api', rig.db.url), {
    ...Object.fromEntries(store),
    LOG_LEVEL: 'info',
    AUDIT_READS: 'true',
    AUDIT_OIDC_ISSUER: issuer.url,
    AUDIT_OIDC_AUDIENCE: 'urn:auditbox',
    RATE_LIMIT_FAILED_KEYS: '0',
  });
  watch = watchAnswers(api.app.pid);
  const events = Array.from({ length: 60 }, (_, n) => {
    const tenant = ['acme', 'other', ''][n % 3] as string;
    const note = tenant === 'acme' ? 'word' : marker;
    return anEvent({
      tenant,
      object_id: String(n % 5),
      updated_values: { note },
      updated_at: `2026-07-0${1 + (n % 7)}T0${n % 10}:00:00Z`,
    });
  });
  await rig.db.store(events);
  await fillExport();
  await makeKinds();
  const victims = [];
  for (let n = 0; n < 6; n += 1)
    victims.push((await makeKey({ scopes: ['read'], tenant: n % 2 === 0 ? 'acme' : null })).id);
  const cursors = [];
  for (const path of [
    '/audit?cursor=&page_size=1',
    '/audit?recorded_after=2026-01-01&page_size=1',
    '/keys?page_size=1',
  ])
    cursors.push((await api.request(path)).body.next_cursor as string);
  const document = (await api.request('/openapi.json')).body;
  const known = { eventIds: events.slice(0, 9).map(({ id }) => id), keyIds: victims, cursors };
  given = surfaceRequest(describeRoutes(document), [...kinds.keys()], known);
});
afterAll(async () => {
  api.app.signal('SIGKILL');
  await issuer.close();
  await rig.close();
  if (process.env.FUZZ_REQUESTS) console.table([...statuses].sort());
  if (process.env.FUZZ_REQUESTS) console.log(watch.slowest());
});

const agent = new Agent({ keepAlive: true, maxSockets: atOnce });

async function ask({ method, path, key, headers, body }: FuzzedRequest) {
  const { hostname, port } = new URL(api.url);
  const secret = kinds.get(key)?.key ?? null;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const authorization = secret === null ? {} : { authorization: `Bearer ${secret}` };
    const sent = send({ agent, hostname, port, path, method, headers: { ...authorization, ...headers } }, resolve);
    sent.once('error', reject);
    sent.end(body ?? undefined);
  });
  const [answer, content] = await watch.time(answered.then(async (one) => [one, await text(one)] as const));
  return { status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? '', content };
}

async function check(one: FuzzedRequest): Promise<void> {
  const { status, type, content } = await ask(one);
  const kind = `${one.route.path} ${status}`;
  statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
  expect(status, content).toBeLessThan(500);
  if (status >= 400 && one.method !== 'HEAD') {
    // Express answers these addresses only as they are written.
    expect(type, content).toBe('application/problem+json; charset=utf-8');
    expect(JSON.parse(content)).toMatchObject({ status, code: expect.any(String), request_id: expect.any(String) });
  }
  const { scopes } = kinds.get(one.key) as { scopes: readonly string[] };
  const { access } = one.route;
  const isRouted = ![404, 405, 431].includes(status);
  const isPath = one.path.split('?')[0]?.split('/').length === one.route.path.split('/').length;
  if (access !== 'public' && isRouted && isPath) {
    if (scopes.length === 0) expect([400, 401]).toContain(status);
    else if (access !== 'any key' && !scopes.includes(access)) expect([400, 403]).toContain(status);
  }
  if (one.key === 'tenant') expect(content).not.toContain(marker);
}

async function fuzz(share: number): Promise<void> {
  const together = fc.array(given, { minLength: atOnce, maxLength: atOnce });
  const printed = (one: FuzzedRequest) =>
    check(one).catch((cause) => {
      throw new Error(`Asked with the key "${one.key}": ${fc.stringify({ ...one, route: one.route.path })}`, { cause });
    });
  const property = fc.asyncProperty(together, async (ones) => void (await Promise.all(ones.map(printed))));
  await fc.assert(property, { numRuns: Math.ceil((requests * share) / atOnce), endOnFailure: true });
}

test('every route answers every kind of key, with flat memory', { timeout: 300_000 + requests * 40 }, async () => {
  await watch.inHalves(() => fuzz(0.5));
  watch.expectFlatMemory();
  const answered = [...statuses].filter(([kind]) => / 2\d\d$/.test(kind)).reduce((sum, [, count]) => sum + count, 0);
  expect(answered).toBeGreaterThan(requests / 20);
});

test('no key that was made may do more than the one that made it, and the others go on working', async () => {
  for (const [name, { scopes, key }] of kinds) {
    if (key === masterKey || scopes.length === 0) continue;
    const { status } = await api.request('/me', { key });
    expect(status, name).toBe(200);
  }
  const { body } = await api.request('/audit?table_name=auditbox.api_key&action=created&page_size=100&sort_order=asc');
  const bound = await rig.db.sql<{ tenant: string | null; bounds: { table_name?: string[] }; by: string }[]>`
    select k.tenant, k.bounds, e.recorded_by as by from auditbox.api_key k
    join auditbox.audit_log e on e.object_id = k.key_id::text and e.table_name = 'auditbox.api_key' and e.action = 'created'
    where e.recorded_by <> 'key:master'`;
  const idOf = (kind: string) => kinds.get(kind) as unknown as { id: string };
  for (const made of bound) {
    if (made.by.includes(idOf('tenant').id)) expect(made.tenant).toBe('acme');
    if (made.by.includes(idOf('bound').id)) expect(made.bounds.table_name).toEqual(['teams']);
  }
  expect(body.audit_logs.length).toBeGreaterThan(0);
});
