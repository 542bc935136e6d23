import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { findUnknownSettings } from '@auditbox/process/unknown-settings.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type App, endApps, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { subcommands } from '../../../cli/src/subcommands.ts';
import { blocksOf, codeBlocks, documents, root } from './code-blocks.ts';

/*
 * Every code block of every document: shell commands and SQL run as they are written, TypeScript is checked by the compiler, JSON
 * and YAML are parsed. A block that cannot be run as it stands is marked: ```sh excerpt. Its commands and flags must exist.
 */

test('every block has a language that this test knows, and an excerpt is marked', () => {
  const known = /^(sh|sh excerpt|sql|sql duckdb|sql excerpt|ts|json|yaml|nginx|text)$/;
  const others = codeBlocks.filter(({ language, kind }) => !known.test(`${language} ${kind}`.trim()));
  expect(others.map(({ document, line }) => `${document}:${line}`)).toEqual([]);
  expect(codeBlocks.length).toBeGreaterThan(90);
});

test.each(blocksOf('json'))('%s is JSON', (_where, { text }) => {
  expect(() => JSON.parse(text)).not.toThrow();
});

test.each(blocksOf('yaml'))('%s is YAML', (_where, { text }) => {
  expect(() => parse(text)).not.toThrow();
});

/** The table of a service, in docs/capture.md. */
const invoices =
  'create table public.invoices (id int primary key, total numeric, updated_at text, password_hash text)';

describe('shell commands', () => {
  let folder: string;
  let stack: App;
  let environment: NodeJS.Dict<string>;
  let api: string;
  let key: string;
  let verifierKey: string;
  let receiver: HttpReceiver;
  let newDatabase: string;
  let restored: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'auditbox-documents-'));
    receiver = await startHttpReceiver();
    const data = join(folder, 'data');
    const env = { HOME: folder, EXPORT_LINGER_MS: '100', PORT: String(await findFreePort()) };
    stack = spawnProgram(process.execPath, [join(root, 'packages/cli/src/main.ts'), 'start', '--data', data], { env });
    await eventually(() => expect(stack.output()).toContain('Ctrl-C stops everything'));
    environment = parseEnv(readFileSync(join(data, 'env'), 'utf8'));
    api = environment.AUDITBOX_URL ?? '';
    key = readFileSync(join(data, 'master-key'), 'utf8').trim();
    verifierKey = / {2}log key +(\S+)/.exec(stack.output())?.[1] ?? '';
    makePrograms();
    newDatabase = makeDatabase('documents');
    restored = makeDatabase('restored');
    await prepare(`DATABASE_URL='${restored}' npm run migrate`);
    await prepare('npm run keys -- create --name siem --scope read');
    execFileSync('psql', [environment.DATABASE_URL ?? '', '-qc', invoices]);
    await storeExamples();
  });
  afterAll(async () => {
    stack?.signal('SIGINT');
    await stack?.ended;
    await endApps();
    await receiver?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A new database on the server of the stack. */
  function makeDatabase(name: string): string {
    const url = new URL(environment.DATABASE_URL ?? '');
    execFileSync('psql', [url.href, '-qc', `create database ${name}`]);
    url.pathname = `/${name}`;
    return url.href;
  }

  function makePrograms(): void {
    const standIn = join(import.meta.dirname, 'stand-in.ts');
    mkdirSync(join(folder, 'bin'));
    const programs = {
      curl: `exec ${execFileSync('which', ['curl'], { encoding: 'utf8' }).trim()} --fail-with-body --max-time 90 "$@"`,
      ...Object.fromEntries(
        ['npm', 'docker', 'aws'].map((name) => [name, `exec '${process.execPath}' '${standIn}' ${name} "$@"`]),
      ),
    };
    for (const [name, text] of Object.entries(programs)) {
      writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(folder, 'bin', name), 0o755);
    }
  }

  /** The events that the documents' commands ask for. */
  async function storeExamples(): Promise<void> {
    const event = { changed_by: 'ana@example.com', action: 'updated', table_name: 'teams', object_id: '42' };
    const times = ['2026-05-11T09:00:00Z', '2026-07-03T11:46:50Z', '2026-07-17T08:00:00Z'];
    const events = times.map((updated_at, index) => ({
      ...(index === 1 && { id: '0198c4a0-7c11-7000-8000-5a5a5a5a5a5a' }),
      ...event,
      updated_at,
    }));
    const response = await fetch(`${api}/audit/batch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(events),
    });
    expect(response.status).toBe(201);
    await eventually(() => expect(areProven()).toBe('t'));
  }

  /** Whether all three events are in objects that the signed log names. */
  function areProven(): string {
    const text = execFileSync('psql', [
      environment.DATABASE_URL ?? '',
      '-Atc',
      "select (select coalesce(max(size), 0) from auditbox.log_checkpoint where note is not null) >= 3 and count(*) >= 3 from auditbox.delivery where state = 'done'",
    ]);
    return text.toString().trim();
  }

  /** What a reader replaces by own values. */
  function fillIn(text: string): string {
    const values: readonly (readonly [string | RegExp, string])[] = [
      ['http://127.0.0.1:4000', api],
      ['http://127.0.0.1:9464', exporterUrl()],
      ['http://127.0.0.1:4566', environment.S3_ENDPOINT ?? ''],
      ['audit.example.com/prod/s3+1a2b3c4d+AbCd…', verifierKey],
      ['npm-start/…', verifierKey],
      ['https://soc.example/audit', receiver.url],
      ['whsec_…', `whsec_${'A'.repeat(32)}`],
      ['AUDIT_MASTER_KEY=…', `AUDIT_MASTER_KEY=${createHash('sha256').update('documents').digest('hex')}`],
      ['postgres://user:password@host:5432/auditbox', newDatabase],
      ['postgres://owner@db.example.com/auditbox', restored],
      ['my-audit-bucket', environment.S3_BUCKET ?? ''],
    ];
    return values.reduce((filled, [from, to]) => filled.replaceAll(from, to), text);
  }

  const exporterUrl = () => / {2}exporter +(\S+)\/readyz/.exec(stack.output())?.[1] ?? '';

  /** Not spawnSync: the receiver of this process must answer. */
  async function bash(text: string, cwd: string) {
    const { S3_ENDPOINT, S3_BUCKET, S3_FORCE_PATH_STYLE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = environment;
    const child = spawn('bash', ['-euo', 'pipefail', '-c', text], {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...{ S3_ENDPOINT, S3_BUCKET, S3_FORCE_PATH_STYLE, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY },
        PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
        HOME: folder,
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        AUDITBOX_DATA: join(folder, 'data'),
        KEY: key,
        PORT: '0',
        METRICS_PORT: '0',
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    const { pid } = child;
    const limit = setTimeout(() => pid && process.kill(-pid, 'SIGKILL'), 250_000);
    const [code, signal] = await once(child, 'close').finally(() => clearTimeout(limit));
    return { code: code ?? signal, output };
  }

  async function prepare(text: string): Promise<void> {
    const { code, output } = await bash(text, folder);
    expect(code, output).toBe(0);
  }

  /** The blocks of a document follow each other in one folder, as in a clone. */
  function folderOf(document: string): string {
    const path = join(folder, document.replaceAll('/', '-'));
    if (existsSync(path)) return path;
    mkdirSync(path);
    symlinkSync(join(folder, 'data'), join(path, '.auditbox'));
    symlinkSync(join(root, '.env.example'), join(path, '.env.example'));
    return path;
  }

  test.each(blocksOf('sh'))('%s runs as it is written', async (where, { document, text }) => {
    const { code, output } = await bash(fillIn(text), folderOf(document));
    expect(code, `${where}\n${text}\n${output}`).toBe(0);
  });

  test.each(blocksOf('sh', ['', 'excerpt']))('%s has no setting that does not exist', (_where, { text }) => {
    const assigned = [...text.matchAll(/^\s*(?:export )?((?:[A-Z][A-Z0-9_]*=\S*\s+)+)/gm)].flatMap(([, words = '']) =>
      [...words.matchAll(/([A-Z][A-Z0-9_]*)=/g)].map(([, name = '']) => name),
    );
    expect(findUnknownSettings(Object.fromEntries(assigned.map((name) => [name, 'x'])))).toEqual([]);
  });

  const commands = blocksOf('sh', ['excerpt']).flatMap(([where, { text }]) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('npm run '))
      .map((line) => [where, line] as const),
  );

  test.each(commands)('%s is an excerpt, and the command exists with its flags: %s', async (_where, line) => {
    const [, script = '', verb = ''] = /^npm run ([\w:-]+)(?: -- ([a-z]+)\b)?/.exec(line) ?? [];
    const help = await bash(`npm run ${script} -- ${verb} --help`, folder);
    expect(help.code, help.output).toBe(0);
    for (const [flag] of line.matchAll(/--[a-z][a-z-]+/g)) expect(help.output).toContain(flag);
  });
});

describe('SQL', () => {
  const bySql = documents.filter((document) => blocksOf('sql').some(([, block]) => block.document === document));

  test.each(bySql)('Postgres takes every statement of %s, one after the other', async (document) => {
    const db = await openTestDatabase();
    // The blocks of a document share a session, with its transaction and its roles.
    const session = postgres(db.url, { max: 1, onnotice() {} });
    try {
      await session.unsafe(invoices);
      for (const [where, block] of blocksOf('sql')) {
        if (block.document !== document) continue;
        await session.unsafe(block.text).catch((error: Error) => expect.fail(`${where}: ${error.message}`));
      }
    } finally {
      await session.unsafe('rollback');
      await session
        .unsafe('drop role if exists app_api, app_exporter, app_retention, billing')
        .finally(() => session.end());
      await db.close(1_000);
    }
  });
});

describe('TypeScript', () => {
  /** What a reader has around an example. */
  const around: Readonly<Record<string, string>> = {
    'docs/client.md': `import { appendFile } from 'node:fs/promises';
      import { checkReceipt, createClient } from '@auditbox/client';
      declare const key: string, baseUrl: string, receipt: string, signal: AbortSignal;
      declare function store(events: readonly object[], cursor: string): Promise<void>;`,
    'packages/client/README.md': `declare const key: string, signal: AbortSignal;
      declare function store(events: readonly object[], cursor?: string): Promise<void>;`,
    'packages/writer/README.md': `declare const client: { query(text: string, parameters?: unknown[]): Promise<{ rows: never[] }> };`,
    'docs/destinations.md': `import { test } from 'node:test';
      import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
      declare const open: Parameters<typeof conformanceTests>[0]['open'], received: Parameters<typeof conformanceTests>[0]['received'];`,
  };

  test('the strict compiler takes every block', () => {
    const folder = join(root, 'node_modules/.cache/auditbox-documents');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const files = blocksOf('ts').map(([where, { document, text }]) => {
      const file = `${where.replaceAll(/[^\w]/g, '-')}.ts`;
      writeFileSync(join(folder, file), `${around[document] ?? ''}\n${text}\nexport {};\n`);
      return file;
    });
    expect(files.length).toBeGreaterThan(4);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: '../../../tsconfig.json', include: [], files }),
    );
    const { status, stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
    expect(status, stdout).toBe(0);
  });
});

const hasNginx = spawnSync('nginx', ['-v']).status === 0;

test.skipIf(!hasNginx).each(blocksOf('nginx'))(
  'nginx takes the configuration in %s (needs nginx)',
  (_where, { text }) => {
    const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
    const [upstream = '', location = ''] = text.split(/^(?=location )/m);
    const server = `server { listen 127.0.0.1:1; ${location} }`;
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    );
    writeFileSync(
      join(folder, 'nginx.conf'),
      `pid ${folder}/pid; error_log stderr; events {} http { access_log off; ${paths.join(' ')} ${upstream} ${server} }`,
    );
    const { status, stderr } = spawnSync('nginx', ['-t', '-c', join(folder, 'nginx.conf')], { encoding: 'utf8' });
    rmSync(folder, { recursive: true });
    expect(status, stderr).toBe(0);
  },
);

test('every command of the program is in a document', () => {
  const texts = documents.map((document) => readFileSync(join(root, document), 'utf8')).join('\n');
  for (const { name } of subcommands)
    expect(texts).toMatch(new RegExp(`npm run ${name}|npm ${name}|npm run verify-archive`));
});
