import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { type OidcIssuer, startOidcIssuer } from '@auditbox/testing/servers/oidc-issuer.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routes } from '../src/routes.ts';
import { type Caller, makeCallers } from './fuzz/callers.ts';
import { createFinder, findInDatabase, marker } from './fuzz/findings.ts';
import { type FuzzedRequest, type FuzzedRoute, surfaceRequest } from './fuzz/surface.ts';
import { type AnswerWatch, watchAnswers } from './fuzz/watch-answers.ts';

/*
 * Random requests to every route with every kind of key, 25 at a time. No answer is a 5xx or takes longer than ten seconds, no turn of
 * the api takes a second of the processor, each error is a problem document, and memory is flat. No answer gives a key more than it
 * may have, and no answer and no line of the log has a secret. What a key may do is decided in fuzz/callers.ts.
 * FUZZ_REQUESTS=100000 sends more, FUZZ_MINUTES=60 sends for that long, and FUZZ_PER_SECOND=150 sends no more in a second. With one of
 * them the tables of the answers are printed. A failure prints the requests.
 */

const requests = Number(process.env.FUZZ_REQUESTS ?? 1_500);
const minutes = process.env.FUZZ_MINUTES === undefined ? null : Number(process.env.FUZZ_MINUTES);
const perSecond = Number(process.env.FUZZ_PER_SECOND ?? Number.POSITIVE_INFINITY);
const isLong = process.env.FUZZ_REQUESTS !== undefined || minutes !== null;
const atOnce = 25;
const perRound = 1_000;
/** A run with more findings ends. */
const maxFindings = 20;
const maxTurnMs = 1_000;

let rig: ExporterFixture;
let issuer: OidcIssuer;
type Api = Awaited<ReturnType<typeof startApi>>;
let api: Api;
let second: Api;
let callers: ReadonlyMap<string, Caller>;
let finder: ReturnType<typeof createFinder>;
let given: fc.Arbitrary<FuzzedRequest>;
let watch: AnswerWatch;
const foreignIds = new Set<string>();
/** Keys that requests may change. */
const victims: string[] = [];
const findings: string[] = [];
const statuses = new Map<string, number>();
/** By the names of kinds of keys: how many answers of each hundred of statuses. */
const kinds = new Map<string, Record<string, number>>();

async function makeKey(body: object): Promise<{ id: string; key: string }> {
  const made = await api.request('/keys', { body: { name: randomUUID(), ...body } });
  expect(made.status, made.text).toBe(201);
  return made.body;
}

async function endKey(id: string, how: 'revoke' | 'expire'): Promise<void> {
  if (how === 'revoke') await api.request(`/keys/${id}`, { method: 'DELETE' });
  else await rig.db.sql`update auditbox.api_key set expires_at = now() where key_id = ${id}::uuid`;
}

/** In a long run the keys that may be changed are soon revoked. */
async function addVictims(): Promise<void> {
  for (const tenant of ['acme', null, 'other']) {
    const { id } = await makeKey({ scopes: ['read'], tenant });
    victims.push(id);
    if (tenant !== 'acme') foreignIds.add(id);
  }
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
  const settings = {
    ...Object.fromEntries(store),
    LOG_LEVEL: 'info',
    AUDIT_READS: 'true',
    AUDIT_OIDC_ISSUER: issuer.url,
    AUDIT_OIDC_AUDIENCE: 'urn:auditbox',
    RATE_LIMIT_FAILED_KEYS: '0',
  };
  const url = urlAs('api', rig.db.url);
  const probe = ['--import', import.meta.resolve('@auditbox/testing/probes/longest-turn.ts')];
  [api, second] = await Promise.all([
    startApi(url, settings, probe),
    startApi(url, { ...settings, AUDIT_MASTER_KEY: '', AUDIT_OIDC_TENANT_CLAIM: 'org' }, probe),
  ]);
  watch = watchAnswers(api.app.pid, second.app.pid);
  const events = Array.from({ length: 60 }, (_, n) => {
    const tenant = ['acme', 'other', ''][n % 3] as string;
    const note = tenant === 'acme' ? `word ${marker.acme}` : marker.others;
    return anEvent({
      tenant,
      object_id: String(n % 5),
      updated_values: { note },
      updated_at: `2026-07-0${1 + (n % 7)}T0${n % 10}:00:00Z`,
    });
  });
  for (const { id, tenant } of events) if (tenant !== 'acme') foreignIds.add(id);
  await rig.db.store(events);
  await fillExport();
  callers = await makeCallers(makeKey, endKey, issuer);
  finder = createFinder(callers, foreignIds, [
    testCredentials.secretAccessKey,
    decodeURIComponent(`:${new URL(url).password}@`),
  ]);
  await addVictims();
  await addVictims();
  const cursors = [];
  for (const path of [
    '/audit?cursor=&page_size=1',
    '/audit?recorded_after=2026-01-01&page_size=1',
    '/audit/objects/teams/1?page_size=1',
    '/keys?page_size=1',
  ])
    cursors.push((await api.request(path)).body.next_cursor as string);
  const document = (await api.request('/openapi.json')).body;
  const known = { eventIds: events.slice(0, 9).map(({ id }) => id), keyIds: victims, cursors };
  given = surfaceRequest(describeRoutes(document), [...callers.keys()], known);
});
afterAll(async () => {
  for (const { app } of [api, second]) app.signal('SIGKILL');
  await issuer.close();
  await rig.close();
  if (!isLong) return;
  console.table([...statuses].sort());
  console.table(Object.fromEntries(kinds));
  console.log(watch.slowest());
});

const agent = new Agent({ keepAlive: true, maxSockets: atOnce });

async function ask({ method, path, key, nth, headers, body }: FuzzedRequest) {
  const { secrets, api: which } = callers.get(key) as Caller;
  const { hostname, port } = new URL((which === 'first' ? api : second).url);
  const secret = secrets[nth % secrets.length] as string | null;
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    const authorization = secret === null ? {} : { authorization: `Bearer ${secret}` };
    const sent = send({ agent, hostname, port, path, method, headers: { ...authorization, ...headers } }, resolve);
    sent.once('error', reject);
    sent.end(body ?? undefined);
  });
  const [answer, content] = await watch.time(answered.then(async (one) => [one, await text(one)] as const));
  const type = answer.headers['content-type'] ?? '';
  return { status: answer.statusCode ?? 0, type, content, headers: answer.rawHeaders.join('\n') };
}

function count({ route, key }: FuzzedRequest, status: number): void {
  const answer = `${route.path} ${status}`;
  statuses.set(answer, (statuses.get(answer) ?? 0) + 1);
  const kind = kinds.get(key) ?? { answers: 0 };
  const hundred = `${Math.floor(status / 100)}xx`;
  kinds.set(key, { ...kind, answers: (kind.answers ?? 0) + 1, [hundred]: (kind[hundred] ?? 0) + 1 });
}

async function check(one: FuzzedRequest): Promise<void> {
  const note = (what: string, answered: string) => {
    if (findings.length < maxFindings)
      findings.push(
        `${what}: key "${one.key}" ${one.nth}, ${fc.stringify({ ...one, route: one.route.path })}${answered}`,
      );
  };
  try {
    const answer = await ask(one);
    count(one, answer.status);
    const found = finder.findInAnswer(one, answer);
    if (found.length > 0) note(found.join(), ` ${answer.status} ${answer.content.slice(0, 2_000)}`);
  } catch (error) {
    note('no answer', ` ${error}`);
  }
}

async function sendAtOnce(ones: readonly FuzzedRequest[]): Promise<void> {
  const pause = perSecond === Number.POSITIVE_INFINITY ? null : delay((1_000 * ones.length) / perSecond);
  await Promise.all(ones.map(check));
  await pause;
  expect(findings.length, findings.join('\n')).toBeLessThan(maxFindings);
}

async function sendHalf(): Promise<void> {
  const together = fc.array(given, { minLength: atOnce, maxLength: atOnce });
  const property = fc.asyncProperty(together, sendAtOnce);
  const endsAt = minutes === null ? null : performance.now() + minutes * 30_000;
  for (let sent = 0; endsAt === null ? sent < requests / 2 : performance.now() < endsAt; sent += perRound) {
    const wanted = endsAt === null ? Math.min(perRound, requests / 2 - sent) : perRound;
    await fc.assert(property, { numRuns: Math.ceil(wanted / atOnce), endOnFailure: true });
    if (isLong) await addVictims();
  }
  if (isLong) console.log(`The apis have ${Math.round(watch.residentBytes() / 1024 / 1024)} MB.`);
}

/** The processor time of the longest turn of each api since the measurement before. `nth` counts the measurements. */
function measureTurns(nth: number): Promise<number[]> {
  const measure = async ({ app }: Api) => {
    app.signal('SIGUSR2');
    return Number((await app.event('longest-turn', ({ reports }) => reports === nth)).cpuMs);
  };
  return Promise.all([api, second].map(measure));
}

test('every route answers every kind of key, with flat memory', {
  timeout: 300_000 + (minutes === null ? requests * 40 : minutes * 120_000),
}, async () => {
  // The first turn of a process loads its code.
  await measureTurns(1);
  await watch.inHalves(sendHalf);
  expect(findings).toEqual([]);
  watch.expectFlatMemory();
  const answers = [...kinds.values()];
  const sum = (of: string) => answers.reduce((total, kind) => total + (kind[of] ?? 0), 0);
  expect(sum('2xx')).toBeGreaterThan(sum('answers') / 20);
  expect(kinds.size).toBe(callers.size);
  const turns = await measureTurns(2);
  for (const [n, { app }] of [api, second].entries()) {
    const cpuMs = turns[n] as number;
    if (isLong) console.log(`The longest turn had ${Math.round(cpuMs)} ms of the processor.`);
    expect(cpuMs).toBeLessThan(maxTurnMs);
    expect(finder.findSecret(app.output())).toBeUndefined();
  }
});

test('no key stored what it may not, or gave or took more rights than it has, and each one still works', async () => {
  expect(await findInDatabase(callers, rig.db)).toEqual([]);
  for (const [name, { secrets, scopes, api: which, denial }] of callers) {
    const { request } = which === 'first' ? api : second;
    const { status } = await request('/me', { key: secrets[0] as string | null });
    expect(status, name).toBe(scopes.length === 0 ? denial : 200);
  }
});
