import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { findCaptureProblems } from '@auditbox/db/doctor/find-capture-problems.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import pg from 'pg';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createService } from '../../../examples/express-drizzle/service.ts';

/* The programs of `examples/`, as their READMEs start them. */

const examples = resolve(import.meta.dirname, '../../../examples');
const execute = promisify(execFile);

/** The first Python that has a module. */
const findPython = (module: string) =>
  ['python3', '/usr/bin/python3'].find((name) => spawnSync(name, ['-c', `import ${module}`]).status === 0);
const python = findPython('urllib');
const pythonWithPsycopg = findPython('psycopg');
const goPath = '/usr/share/gocode';
const hasGo = spawnSync('go', ['version']).status === 0;
const hasPq = hasGo && existsSync(`${goPath}/src/github.com/lib/pq`);
for (const [is, what] of [
  [python !== undefined, 'the Python example over HTTP, because there is no python3'],
  [pythonWithPsycopg !== undefined, 'the Python example in a transaction, because there is no python3 with psycopg'],
  [hasGo, 'the Go example over HTTP, because there is no go'],
  [hasPq, 'the Go example in a transaction, because there is no go with github.com/lib/pq'],
] as const)
  if (!is) process.stderr.write(`SKIPPED: ${what}.\n`);

let api: ApiFixture;
let folder: string;
beforeAll(async () => {
  api = await createApiFixture();
  folder = await mkdtemp(join(tmpdir(), 'examples-'));
  await api.db.sql
    .unsafe(
      `create table public.teams (id text primary key, max_budget int not null check (max_budget >= 0));
       grant all on public.teams to auditbox_writer`,
    )
    .simple();
});
afterAll(async () => {
  await api?.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await api.db.sql`insert into public.teams values ('team-1', 25) on conflict (id) do update set max_budget = 25`;
});

/** Runs a program and returns its last word. */
async function run(program: string, args: readonly string[], env: Record<string, string>): Promise<string> {
  const { PATH = '', HOME = '' } = process.env;
  const { stdout } = await execute(program, args, { cwd: folder, env: { PATH, HOME, ...env } });
  return stdout.trim();
}

async function buildGo(name: string): Promise<string> {
  const program = join(folder, name);
  const env = { GOPATH: goPath, GO111MODULE: 'off', GOFLAGS: '', GOCACHE: join(tmpdir(), 'go-build'), HOME: folder };
  await run('go', ['build', '-o', program, join(examples, 'go', name, 'main.go')], env);
  return program;
}

const stored = async (id: string) => (await api.request(`/audit/${id}`)).body;
const overHttp = ['ana', 'updated', 'teams', 'team-1', '{"max_budget": 40}'];

/** Runs a program while the api is away, and starts the api again. */
async function runWhileAway(start: (env: Record<string, string>) => Promise<string>): Promise<string> {
  const settings = { PORT: String(await findFreePort()) };
  const first = await startApi(urlAs('api', api.db.url), settings);
  first.app.signal('SIGKILL');
  await first.app.ended;
  // With a slash at its end, as people write it too.
  const running = start({ AUDITBOX_URL: `${first.url}/`, AUDITBOX_KEY: masterKey });
  await startApi(urlAs('api', api.db.url), settings);
  return running;
}

async function checkOverHttp(start: (env: Record<string, string>, args: string[]) => Promise<string>): Promise<void> {
  const id = await runWhileAway((env) => start(env, overHttp));
  expect(await stored(id)).toMatchObject({ changed_by: 'ana', updated_values: { max_budget: 40 } });
  const refused = start({ AUDITBOX_URL: api.url, AUDITBOX_KEY: masterKey }, ['ana', 'exploded', ...overHttp.slice(2)]);
  await expect(refused).rejects.toThrow(/invalid-event.*request /s);
  // As nginx answers in front of `location /audit/`. Followed, a write would become a read that succeeds.
  let followed = 0;
  const proxy = createServer(({ url }, response) => {
    if (url !== '/audit/') return response.writeHead(301, { location: '/audit/' }).end();
    followed += 1;
    return response.end('{"audit_logs":[]}');
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as AddressInfo;
  const redirected = start({ AUDITBOX_URL: `http://127.0.0.1:${port}`, AUDITBOX_KEY: masterKey }, overHttp);
  await expect(redirected).rejects.toThrow('301');
  // Where it leads may be another host, which must not get the key.
  expect(followed).toBe(0);
  proxy.close();
}

async function checkInATransaction(start: (env: Record<string, string>, args: string[]) => Promise<string>) {
  // lib/pq asks for TLS unless the URL says otherwise.
  const env = { DATABASE_URL: `${urlAs('writer', api.db.url)}?sslmode=disable` };
  const id = await start(env, ['team-1', '40', 'ana']);
  expect(await stored(id)).toMatchObject({
    changed_by: 'ana',
    before_value: { max_budget: 25 },
    updated_values: { max_budget: 40 },
    recorded_by: 'sql:test_writer',
  });
  const before = (await api.request('/audit?page=1&page_size=1')).body.total;
  await expect(start(env, ['team-1', '50', 'a'.repeat(3_000)])).rejects.toThrow();
  expect(await api.db.sql`select max_budget from public.teams`).toEqual([{ max_budget: 40 }]);
  expect((await api.request('/audit?page=1&page_size=1')).body.total).toBe(before);
}

test.runIf(python)('Python over HTTP records an event although the api is away, and names what is wrong', () =>
  checkOverHttp((env, args) => run(python ?? '', [join(examples, 'python/over_http.py'), ...args], env)),
);

test.runIf(pythonWithPsycopg)('Python in a transaction records the event with the change, or neither', () =>
  checkInATransaction((env, args) =>
    run(pythonWithPsycopg ?? '', [join(examples, 'python/in_a_transaction.py'), ...args], env),
  ),
);

test.runIf(hasGo)('Go over HTTP records an event although the api is away, and names what is wrong', async () => {
  const program = await buildGo('over_http');
  await checkOverHttp((env, args) => run(program, args, env));
});

test.runIf(hasPq)('Go in a transaction records the event with the change, or neither', async () => {
  const program = await buildGo('in_a_transaction');
  await checkInATransaction((env, args) => run(program, args, env));
});

test('a service of Express and drizzle records each change, and a change that fails leaves no event', async () => {
  const pool = new pg.Pool({ connectionString: urlAs('writer', api.db.url), max: 2 });
  const server = createService(pool).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const patch = (id: string, max_budget: number) =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/teams/${id}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', 'x-user': 'bob', 'x-request-id': 'r-7' },
      body: JSON.stringify({ max_budget }),
    });
  const events = async () => (await api.request('/audit?changed_by=bob&page=1')).body;
  expect((await patch('team-1', 40)).status).toBe(200);
  expect((await patch('team-2', 40)).status).toBe(404);
  expect((await patch('team-1', -1)).status).toBe(500);
  expect(await events()).toMatchObject({
    total: 1,
    audit_logs: [
      {
        action: 'updated',
        object_id: 'team-1',
        before_value: { id: 'team-1', maxBudget: 25 },
        updated_values: { id: 'team-1', maxBudget: 40 },
        context: { request_id: 'r-7' },
      },
    ],
  });
  server.close();
  await pool.end();
});

test('the changes of a captured schema of ten tables are recorded, and only those', async () => {
  const name = `shop_owner_${process.pid}`;
  const read = (file: string) => readFile(join(examples, 'captured-shop', file), 'utf8');
  await api.db.sql
    .unsafe(
      `create role ${name} login password 'p' in role auditbox_writer;
       do $$ begin execute format('grant create on database %I to ${name}', current_database()); end $$`,
    )
    .simple();
  const url = Object.assign(new URL(api.db.url), { username: name, password: 'p' });
  const shop = postgres(url.href, { max: 1, onnotice: () => {} });
  for (const file of ['schema.sql', 'capture.sql', 'changes.sql']) await shop.unsafe(await read(file)).simple();

  const rows = await api.db.sql<{ line: string }[]>`
    select concat_ws(' ', a.changed_by, a.action, a.table_name, a.object_id) as line
    from auditbox.outbox o join auditbox.audit_log a on a.id = o.audit_id
    where a.table_name like 'shop.%' order by o.id`;
  const db = `db:${name}`;
  expect(rows.map(({ line }) => line)).toEqual([
    `${db} created shop.customer 1`,
    `${db} created shop.address [1, "home"]`,
    `${db} created shop.address [1, "work"]`,
    `${db} created shop.product mug`,
    `${db} created shop.price ["mug", "2026-01-01"]`,
    `${db} created shop.stock mug`,
    'ana created shop.invoice [2026, 1]',
    'ana created shop.invoice_line [2026, 1, 1]',
    'ana updated shop.stock mug',
    'ana created shop.payment 0197d0d4-0000-7000-8000-000000000001',
    `${db} updated shop.invoice [2026, 1]`,
    `${db} updated shop.stock mug`,
    `${db} created shop.login_session f00d`,
    `${db} deleted shop.login_session *`,
    `${db} deleted shop.customer 1`,
    `${db} deleted shop.address [1, "home"]`,
    `${db} deleted shop.address [1, "work"]`,
    'root@example.com created shop.staff bob',
    'root@example.com updated shop.staff bob',
  ]);
  const [values] = await api.db.sql`
    select
      (select updated_values::text from auditbox.audit_log where table_name = 'shop.price') as price,
      (select updated_values ->> 'card_number' from auditbox.audit_log where table_name = 'shop.payment') as card,
      (select updated_values -> 'picture' ->> 'length' from auditbox.audit_log where table_name = 'shop.product') as picture,
      (select count(*)::int from auditbox.audit_log where table_name = 'shop.staff' and updated_values::text like '%argon2%') as hashes`;
  expect(values).toEqual({
    price: '{"sku":"mug","valid_from":"2026-01-01","amount":12.5000}',
    card: '[redacted:card_number]',
    picture: '4096',
    hashes: 0,
  });
  await expect(shop`delete from shop.staff`).rejects.toThrow('nobody said who changes the table');
  await expect(shop`truncate shop.price`).rejects.toThrow('refused');
  expect(await findCaptureProblems(api.db)).toEqual([]);
  await shop.end();
});
