import { execFile, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { checkEventProof, parseEventProof } from '@auditbox/evidence/event-proof.ts';
import { createKeySigner } from '@auditbox/evidence/signed-note.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AuditEvent, recordEvents, withPostgresJs } from '../src/index.ts';

/*
 * The packages as an outside service gets them: packed, installed by npm in an empty folder outside of the repository,
 * type-checked strictly, and run.
 */

const root = resolve(import.meta.dirname, '../../..');
const modules = join(root, 'node_modules');
const execute = promisify(execFile);
const libraries = [
  ...[
    'postgres.js',
    'drizzle',
    'drizzle, postgres.js',
    'kysely',
    'knex',
    'typeorm',
    'sequelize',
    'mikro-orm',
    'prisma',
  ],
  'pg',
];
/** What an outside service installs for them. */
const modulesOfLibraries = [
  ...[
    'postgres',
    'pg',
    'drizzle-orm',
    'kysely',
    'knex',
    'typeorm',
    'sequelize',
    '@mikro-orm/core',
    '@mikro-orm/postgresql',
  ],
  ...['@prisma/adapter-pg', 'prisma-client', '@types/pg', '@types/node'],
];

/** A Node of the oldest major version that the packages allow; npm's own Node of this repository is newer. */
const node20 = [process.env.TEST_NODE_20, '/usr/bin/node'].find(
  (program) => program && /^v20\./.test(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout ?? ''),
);
if (node20 === undefined)
  process.stderr.write('SKIPPED: the packages on Node 20, because TEST_NODE_20 and /usr/bin/node are no Node 20.\n');

let rig: ExporterFixture;
let api: Awaited<ReturnType<typeof startApi>>;
let folder: string;
let installS: number;

async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<void> {
  // npm hands down its own settings; an outside project has none of them.
  const { PATH = '', HOME = '' } = process.env;
  await execute(program, args, { cwd: folder, env: { PATH, HOME, ...env } }).catch((error) => {
    throw new Error(`${program} ${args.join(' ')}\n${error.stdout}\n${error.stderr}`);
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditbox-outside-'));
  rig = await createExporterFixture();
  api = await startApi(urlAs('api', rig.db.url));
  await run(process.execPath, [join(root, 'packages/tooling/build-packages.ts')]);
  const packed = [
    ...['client', 'writer', 'destination-kit'].map((name) => join(root, 'dist', name)),
    // What the client depends on, so that nothing is fetched.
    ...['openapi-fetch', 'openapi-typescript-helpers', 'uuid'].map((name) => join(modules, name)),
  ];
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'outside', private: true, type: 'module' }));
  await run('npm', ['pack', '--ignore-scripts', ...packed]);
  const tarballs = (await readdir(folder)).filter((name) => name.endsWith('.tgz')).map((name) => `./${name}`);
  const began = performance.now();
  await run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', ...tarballs]);
  installS = (performance.now() - began) / 1_000;
  for (const name of modulesOfLibraries) {
    await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true });
    await symlink(join(modules, name), join(folder, 'node_modules', name));
  }
});
afterAll(async () => {
  await rig?.close();
  await rm(folder, { recursive: true, force: true });
});

const entry = (name: string) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });

test.each([
  ['client', '>=20.3', { '.': entry('index'), './node': entry('node') }],
  ['writer', '>=20', { '.': entry('index') }],
  ['destination-kit', '>=20', { '.': entry('index') }],
])('the packed manifest of %s is complete', async (name, node, exports) => {
  const installed = join(folder, 'node_modules/@auditbox', name);
  const source = JSON.parse(await readFile(join(root, 'packages', name, 'package.json'), 'utf8'));
  expect(JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'))).toEqual({
    name: `@auditbox/${name}`,
    version: source.version,
    private: true,
    description: source.description,
    license: 'MIT',
    type: 'module',
    sideEffects: false,
    engines: { node },
    exports: { ...exports, './package.json': './package.json' },
    files: ['**/*.js', '**/*.d.ts'],
    publishConfig: { access: 'public', provenance: true },
    dependencies: source.dependencies ?? {},
  });
  const files = await readdir(installed);
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md']));
  for (const file of Object.values(exports).flatMap((of) => Object.values(of))) expect(files).toContain(file.slice(2));
});

const strict = {
  module: 'nodenext',
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  types: ['node'],
};

async function compile(file: string, options: Record<string, unknown>): Promise<void> {
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...options }, files: [file] }),
  );
  await run(join(modules, '.bin/tsc'), ['-p', '.']);
}

test('their types are sound by themselves', async () => {
  await writeFile(
    join(folder, 'types.ts'),
    `import { createClient, type AuditEvent } from '@auditbox/client';
     import { openSpool, type Spool } from '@auditbox/client/node';
     import { recordEvents, type Run } from '@auditbox/writer';
     import type { CreateDestination } from '@auditbox/destination-kit';
     // @ts-expect-error a destination has limits
     export const create: CreateDestination = () => ({ deliver: async () => ({ kind: 'taken' }), check: async () => [], close: async () => {} });
     export const open = (): Promise<Spool> => openSpool({ folder: '', client: createClient({ baseUrl: '', key: '' }) });
     export const read = async (): Promise<AuditEvent[]> => Array.fromAsync(createClient({ baseUrl: '', key: '' }).events());
     export const write = (run: Run): Promise<string[]> =>
       recordEvents(run, [{ changed_by: 'a', action: 'b', table_name: 'c', object_id: 'd' }]);
     // @ts-expect-error an event needs an action
     export const wrong = (run: Run) => recordEvents(run, [{ changed_by: 'a', table_name: 'c', object_id: 'd' }]);`,
  );
  await compile('types.ts', { noEmit: true, skipLibCheck: false, lib: ['esnext'] });
});

test('a program writes with each library in its own transaction, and a rollback leaves no event', async () => {
  await rig.db.sql.unsafe(
    `create table public.captured_thing (id int primary key generated always as identity, name text);
     grant all on public.captured_thing to auditbox_writer; select auditbox.capture('public.captured_thing')`,
  );
  await cp(join(import.meta.dirname, 'outside'), folder, { recursive: true });
  await compile('program.ts', { skipLibCheck: true });
  await run(process.execPath, ['program.js'], { API_URL: api.url, API_KEY: masterKey, DATABASE_URL: rig.db.url });
  expect(
    await rig.db.sql`
      select a.object_id, a.before_value::text as before, a.updated_values::text as after
      from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id
      where a.table_name = 'things' and a.changed_by <> 'client' order by o.id`,
  ).toEqual(
    libraries.map((library) => ({
      object_id: `${library}, fails: false`,
      before: '["an array",null]',
      after: '{"b":12345678901234567890.10,"a":1.0,"a":null}',
    })),
  );
  // The actor of each transaction, on the captured table.
  expect(
    await rig.db.sql`
      select a.changed_by, a.context ->> 'library' as library from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id
      where a.table_name = 'public.captured_thing' order by o.id`,
  ).toEqual(libraries.map((library) => ({ changed_by: library, library })));
});

test.skipIf(node20 === undefined)('on Node 20 the packages load, and client and writer store an event', async () => {
  await writeFile(
    join(folder, 'node-20.mjs'),
    `import { createClient } from '@auditbox/client';
     import { openSpool } from '@auditbox/client/node';
     import { conformanceTests } from '@auditbox/destination-kit';
     import { recordEvents, withPostgresJs } from '@auditbox/writer';
     import postgres from 'postgres';
     const event = { changed_by: process.version.slice(0, 4), action: 'created', table_name: 'node_20' };
     const audit = createClient({ baseUrl: process.env.API_URL, key: process.env.API_KEY });
     await audit.write({ ...event, object_id: 'client' });
     const spool = await openSpool({ folder: 'spool-20', client: audit });
     await spool.add({ ...event, object_id: 'spool' });
     await spool.drain();
     await spool.close();
     const sql = postgres(process.env.WRITER_URL);
     await sql.begin((tx) => recordEvents(withPostgresJs(tx), [{ ...event, object_id: 'writer' }]));
     await sql.end();
     if (conformanceTests({ open: async () => {}, received: async () => [] }).length === 0) throw new Error('No tests.');`,
  );
  const env = { API_URL: api.url, API_KEY: masterKey, WRITER_URL: urlAs('writer', rig.db.url) };
  await run(node20 ?? '', ['node-20.mjs'], env);
  expect(
    await rig.db
      .sql`select changed_by, object_id from auditbox.audit_log where table_name = 'node_20' order by object_id`,
  ).toEqual(['client', 'spool', 'writer'].map((object_id) => ({ changed_by: 'v20.', object_id })));
});

test('a text or a value that Postgres cannot store fails with the code that the SQL contract names', async () => {
  const event = { changed_by: 'ana', action: 'updated', table_name: 'unreadable', object_id: '1' };
  const sql = postgres(urlAs('writer', rig.db.url), { max: 1, onnotice: () => {} });
  const record = (changed: Partial<AuditEvent>) =>
    sql.begin((tx) => recordEvents(withPostgresJs(tx), [{ ...event, ...changed }]));
  for (const text of ['a\u0000b', '\ud800'])
    for (const changed of [{ object_id: text }, { updated_values: { note: [text] } }, { context: { [text]: 1 } }])
      await expect(record(changed), JSON.stringify(changed)).rejects.toMatchObject({
        code: text === '\ud800' ? '22P02' : '22P05',
      });
  await sql.end();
  expect(await rig.db.sql`select from auditbox.audit_log where table_name = 'unreadable'`).toEqual([]);
});

/** What a newcomer writes for the first event. The name of the program is in its `object_id`. */
const firstPrograms = {
  client: `
    import { createClient } from '@auditbox/client';
    const audit = createClient({ baseUrl: process.env.API_URL, key: process.env.API_KEY });
    await audit.write({ changed_by: 'ana', action: 'created', table_name: 'invoices', object_id: 'first by client' });`,
  writer: `
    import { recordEvents, withPostgresJs } from '@auditbox/writer';
    import postgres from 'postgres';
    const sql = postgres(process.env.WRITER_URL);
    await sql.begin((tx) => recordEvents(withPostgresJs(tx), [
      { changed_by: 'ana', action: 'created', table_name: 'invoices', object_id: 'first by writer' },
    ]));
    await sql.end();`,
  sql: `
    import postgres from 'postgres';
    const sql = postgres(process.env.WRITER_URL);
    await sql\`select auditbox.record('ana', 'created', 'invoices', 'first by sql')\`;
    await sql.end();`,
  capture: `
    import postgres from 'postgres';
    const sql = postgres(process.env.OWNER_URL, { max: 1 });
    await sql\`create table public.invoices (id text primary key, amount numeric)\`;
    await sql\`select auditbox.capture('public.invoices')\`;
    await sql\`insert into public.invoices values ('first by capture', 9.90)\`;
    await sql.end();`,
} as const;

test('a newcomer has the first event in the bucket with its proof: by client, writer, SQL alone, and a captured table', async () => {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const { key } = createKeySigner('audit.example.com/newcomer', pem);
  await writeFile(join(folder, 'log-key.pem'), pem);
  const exporter = rig.start([], {
    EXPORT_LOG_ORIGIN: key.name,
    EXPORT_LOG_KEY_FILE: join(folder, 'log-key.pem'),
    EXPORT_LOG_INTERVAL_MS: '100',
  });
  await exporter.event('exporter-running');
  const seconds = [`npm install ${installS.toFixed(1)} s`];
  for (const [way, program] of Object.entries(firstPrograms)) {
    await writeFile(join(folder, `${way}.mjs`), program);
    const began = performance.now();
    await run(process.execPath, [`${way}.mjs`], {
      API_URL: api.url,
      API_KEY: masterKey,
      WRITER_URL: urlAs('writer', rig.db.url),
      OWNER_URL: rig.db.url,
    });
    await eventually(async () => {
      const lines = (await rig.bucket.objects()).flatMap(({ text, events }) =>
        text.split('\n').map((line, index) => ({ line, event: events[index] })),
      );
      const found = lines.filter(({ event }) => event?.object_id === `first by ${way}`);
      expect(found).toHaveLength(1);
      const answer = await api.request(`/audit/${found[0]?.event?.id}/proof`);
      const proof = parseEventProof(answer.text);
      if (proof === null) throw new Error(`There is no proof yet: ${answer.text}`);
      expect(checkEventProof(Buffer.from(found[0]?.line ?? ''), proof, key)).toMatchObject({ kind: 'holds' });
    });
    seconds.push(`${way} ${((performance.now() - began) / 1_000).toFixed(1)} s`);
  }
  process.stdout.write(`From an empty folder to a proof: ${seconds.join(', ')}.\n`);
});

test('an author of a destination tests it with the suite, which finds what breaks the contract', async () => {
  await writeFile(
    join(folder, 'destination.ts'),
    `import { conformanceTests, type CreateDestination } from '@auditbox/destination-kit';
     const create = (keeps: boolean, lines: string[]): CreateDestination => () => ({
       limits: { maxRows: 10, maxBytes: 100_000, maxRowBytes: 100_000 },
       async deliver({ rows }) {
         if (keeps) lines.push(...rows.map(({ line }) => line));
         return { kind: 'taken' };
       },
       check: async () => [],
       close: async () => {},
     });
     for (const keeps of [true, false]) {
       const lines: string[] = [];
       const open = async () => create(keeps, lines)({}, { name: 'outside', env: {}, log() {} });
       let broken = 0;
       for (const { run } of conformanceTests({ open, received: async () => lines })) await run().catch(() => { broken += 1; });
       if ((broken === 0) !== keeps) throw new Error(\`\${broken} tests failed for a destination that \${keeps ? 'keeps' : 'loses'} events.\`);
     }`,
  );
  await compile('destination.ts', { skipLibCheck: false });
  await run(process.execPath, ['destination.js']);
});
