import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createKeySigner } from '@auditbox/evidence/signed-note.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { type CitusFixture, citusUrl, openCitusSchema } from '@auditbox/testing/fixtures/citus-fixture.ts';
import { exporterEnv } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type S3Proxy, startS3Proxy } from '@auditbox/testing/proxies/s3-proxy.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { type App, endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';

/*
 * The processes on a distributed schema of a real Citus cluster. TEST_CITUS_URL is the URL of a superuser at its coordinator.
 * TEST_CITUS_RESTART is a shell command that stops the coordinator at once and starts it again. With it, run no other test on
 * the cluster.
 */

const restart = process.env.TEST_CITUS_RESTART ?? '';
if (citusUrl === '') console.warn('TEST_CITUS_URL is not set, so NO PROCESS IS TESTED ON CITUS here.');
else if (restart === '') console.warn('TEST_CITUS_RESTART is not set, so NO STOPPED COORDINATOR IS TESTED here.');

const origin = 'log.example/citus';
const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const keyFile = join(mkdtempSync(join(tmpdir(), 'citus-log-')), 'key.pem');
writeFileSync(keyFile, pem);
const logged = { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: keyFile, EXPORT_LOG_INTERVAL_MS: '100' };

describe.skipIf(citusUrl === '')('on Citus', () => {
  let citus: CitusFixture;
  let proxy: S3Proxy;
  let bucket: TestBucket;
  let receiver: HttpReceiver;
  let env: Record<string, string>;
  beforeEach(async () => {
    citus = await openCitusSchema();
    proxy = await startS3Proxy(inject('s3Endpoint'));
    bucket = await createTestBucket(inject('s3Endpoint'));
    receiver = await startHttpReceiver();
    env = {
      ...exporterEnv({ databaseUrl: citus.url, endpoint: proxy.endpoint, bucket: bucket.name }),
      ...citus.env,
      EXPORT_RETRY_CAP_MS: '200',
    };
  });
  afterEach(async () => {
    await endApps();
    await receiver?.close();
    await proxy?.close();
    bucket?.client.destroy();
    await citus?.close();
  });

  const startExporter = (args: readonly string[] = [], settings: Record<string, string> = {}) =>
    spawnApp('exporter/src/main.ts', { ...env, ...settings }, args);
  const start = (settings: Record<string, string> = {}) =>
    startApi(citus.url, { DATABASE_SCHEMA: citus.schema, ...settings });
  /** Runs a command to its end. */
  async function run(app: App, code: number) {
    expect(await app.ended, app.output()).toBe(code);
    return app.output();
  }
  const runJson = async (app: App, code: number) =>
    JSON.parse(
      (await run(app, code))
        .split('\n')
        .filter((line) => line.startsWith('{') && !line.includes('"level":'))
        .at(-1) ?? 'null',
    );
  const states = async () =>
    Object.fromEntries(
      (
        await citus.db.sql<{ state: string; count: number }[]>`
          select state, count(*)::int as count from auditbox.outbox_status group by state order by state`
      ).map(({ state, count }) => [state, count]),
    );

  test('the log numbers every batch, and an auditor finds all events and nothing else', async () => {
    const api = await start(logged);
    const events = [11, 12].flatMap((hour) => someEvents(3, { updated_at: `2026-07-03T${hour}:46:50Z` }));
    expect((await api.request('/audit/batch', { body: events })).status).toBe(201);
    await run(startExporter(['--once'], logged), 0);
    const more = someEvents(2, { updated_at: '2026-07-03T13:46:50Z' });
    expect((await api.request('/audit/batch', { body: more })).status).toBe(201);
    await run(startExporter(['--once'], logged), 0);
    const source = {
      kind: 's3',
      ...{ bucket: bucket.name, prefix: 'audit_logs/', region: 'us-east-1', endpoint: proxy.endpoint },
      ...{ ...testCredentials, sessionToken: null },
    } as const;
    const {
      exitCode,
      findings,
      run: found,
    } = await runArchive(
      { source, key: createKeySigner(origin, pem).key, level: 'events', stateFile: null, full: false, sample: 0 },
      { onFinding() {}, onProgress() {} },
    );
    expect({ exitCode, findings, size: found.log?.checkpoint.size, rows: found.rows }).toEqual({
      ...{ exitCode: 0, findings: [], size: 3, rows: 8 },
    });
    const proof = await api.request(`/audit/${events[0]?.id}/proof`);
    expect(proof.status, proof.text).toBe(200);
    expect((await api.request('/log/checkpoint')).status).toBe(200);
  });

  test('a failed batch is replayed, and deliveries to a receiver are paused and sent again with the same bytes', async () => {
    const api = await start();
    const events = someEvents(4, { updated_at: '2026-07-03T11:46:50Z' });
    expect((await api.request('/audit/batch', { body: events })).status).toBe(201);
    proxy.intervene = {
      before: ({ method, path }) =>
        method === 'PUT' && path.includes('.ndjson.gz') ? { status: 400, code: 'EntityTooLarge' } : undefined,
    };
    await run(startExporter(['--once']), 2);
    expect(await states()).toEqual({ failed: 4 });
    proxy.intervene = {};
    expect(await run(startExporter(['--replay-failed']), 0)).toContain('4 of 4 rows sent, 0 failed again');
    expect(await states()).toEqual({ done: 4 });
    await expectExactlyOnce(
      bucket,
      events.map(({ id }) => id),
    );

    const file = join(mkdtempSync(join(tmpdir(), 'citus-destinations-')), 'destinations.json');
    const soc = { name: 'soc', type: 'webhook', url: receiver.url, since: 'all' };
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    writeFileSync(file, JSON.stringify({ destinations: [{ ...soc, secrets: [secret] }] }));
    const settings = { DESTINATIONS_FILE: file };
    startExporter([], settings);
    const posts = () => receiver.requests.filter(({ method }) => method === 'POST');
    const done = async () =>
      (
        await citus.db.sql<{ state: string }[]>`
          select state from auditbox.delivery where destination = 'soc' order by batch_id`
      ).map(({ state }) => state);
    await eventually(async () => expect(await done()).toEqual(['done']));
    // One event in each request.
    const sent = posts().map(({ body, headers }) => ({ body, id: headers['webhook-id'] }));
    expect(sent).toHaveLength(4);
    const command = (...args: string[]) =>
      runJson(spawnApp('exporter/src/destinations-main.ts', { ...env, ...settings }, [...args, '--json']), 0);
    await command('pause', 'soc');
    expect((await command('list')).destinations).toContainEqual(
      expect.objectContaining({ name: 'soc', state: 'paused' }),
    );
    await command('resume', 'soc');
    await command('replay', 'soc', '--from', '2026-07-03T10:00:00Z', '--to', '2026-07-03T12:00:00Z');
    await eventually(() => expect(posts()).toHaveLength(8));
    expect(
      posts()
        .slice(4)
        .map(({ body, headers }) => ({ body, id: headers['webhook-id'] })),
    ).toEqual(sent);
    await eventually(async () => expect(await done()).toEqual(['done']));
  });

  test('rejected rows are replayed in a batch for their destination alone', async () => {
    const api = await start();
    const events = someEvents(3, { updated_at: '2026-07-03T11:46:50Z' });
    expect((await api.request('/audit/batch', { body: events })).status).toBe(201);
    const file = join(mkdtempSync(join(tmpdir(), 'citus-destinations-')), 'destinations.json');
    const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
    const soc = { name: 'soc', type: 'webhook', url: receiver.url, since: 'all', secrets: [secret] };
    writeFileSync(file, JSON.stringify({ destinations: [soc] }));
    const isBad = (body: string) => body.includes(events[1]?.id ?? '');
    receiver.answer = ({ body }) => ({ status: isBad(body) ? 422 : 200 });
    startExporter([], { DESTINATIONS_FILE: file });
    const rejected = () => citus.db.sql`select from auditbox.rejection where replayed_in is null`;
    await eventually(async () => expect(await rejected()).toHaveLength(1));
    receiver.answer = () => ({ status: 200 });
    const replay = await api.request('/exports/replay', { body: { destination: 'soc' } });
    expect(replay.status, replay.text).toBeLessThan(300);
    await eventually(async () => {
      expect(await rejected()).toHaveLength(0);
      const open = await citus.db.sql`select from auditbox.delivery where state <> 'done'`;
      expect(open).toHaveLength(0);
    });
    await expectExactlyOnce(
      bucket,
      events.map(({ id }) => id),
    );
  });

  test('retention removes an expired month and its outbox rows, and keeps one whose object is missing', async () => {
    const api = await start();
    const at = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
    const [old, recent] = [anEvent({ updated_at: at(380) }), anEvent()];
    expect((await api.request('/audit/batch', { body: [old, recent] })).status).toBe(201);
    await run(startExporter(['--once']), 0);
    const settings = { AUDIT_RETENTION_DAYS: '330' };
    const month = `audit_log_${old.updated_at?.slice(0, 7).replace('-', '_')}`;
    const removed = await run(startExporter(['--retention', '--json'], settings), 0);
    expect(removed).toContain(`"month":"${month}"`);
    expect(removed).toContain('"outcome":"removed"');
    expect(await citus.db.sql`select id from auditbox.audit_log where table_name = 'teams'`).toEqual([
      { id: recent.id },
    ]);
    expect(await citus.db.sql`select audit_id as id from auditbox.outbox where audit_id = ${old.id}::uuid`).toEqual([]);
    expect(await citus.admin`select from pg_dist_partition where logicalrelid::text like ${`%${month}%`}`).toHaveLength(
      0,
    );
    await expectExactlyOnce(bucket, [old.id, recent.id]);
    // The month is made again, as for any old event.
    expect((await api.request('/audit', { body: anEvent({ updated_at: at(380) }) })).status).toBe(201);
    expect(await run(startExporter(['--retention', '--json'], settings), 2)).toContain('"outcome":"kept"');
  });

  test('keys are made, used and rotated, by the api and by the command', async () => {
    const api = await start();
    const made = await api.request('/keys', { body: { name: 'writer', scopes: ['read', 'write'] } });
    expect(made.status, made.text).toBe(201);
    const event = anEvent();
    expect((await api.request('/audit', { body: event, key: made.body.key })).status).toBe(201);
    const stored = await api.request(`/audit/${event.id}`, { key: made.body.key });
    expect([stored.status, stored.text], stored.text).toEqual([
      200,
      expect.stringContaining(`"key:${made.body.id}:writer"`),
    ]);
    const rotated = await api.request(`/keys/${made.body.id}/rotate`, { body: { overlap_seconds: 0 } });
    expect(rotated.status, rotated.text).toBe(201);
    expect((await api.request('/audit', { body: anEvent(), key: rotated.body.key })).status).toBe(201);
    const listed = await api.request('/keys');
    expect(listed.text).toContain('writer');
    const keys = (...args: string[]) => run(spawnApp('api/src/keys/main.ts', citus.env, args), 0);
    await keys('create', '--name', 'cli', '--scope', 'read');
    expect(await keys('list')).toContain('cli');
    const changes = await api.request(`/audit?object_id=${made.body.id}&sort_by=recorded_at&sort_order=asc`);
    expect(changes.body.audit_logs.map((one: { action: string }) => one.action)).toEqual(['created', 'rotated']);
  });

  // Citus allows no session_user in COALESCE of an update. The migration 0038 puts it into a variable.
  test('a key is revoked', async () => {
    const api = await start();
    const made = await api.request('/keys', { body: { name: 'writer', scopes: ['read'] } });
    expect((await api.request(`/keys/${made.body.id}`, { method: 'DELETE' })).status).toBeLessThan(300);
  });

  test('lists, cursors, exports, histories, charts, words and metrics answer as they do on Postgres', async () => {
    const api = await start({ METRICS_TOKEN: '' });
    const sent = Array.from({ length: 45 }, (_, n) =>
      anEvent({
        updated_at: `2026-07-03T${10 + (n % 5)}:00:00.${String(n).padStart(6, '0')}Z`,
        changed_by: `user ${n % 3}`,
        object_id: String(n % 4),
        updated_values: { n, team_id: `t${n % 2}` },
      }),
    );
    const body = sent;
    expect((await api.request('/audit/batch', { body })).status).toBe(201);
    const walked: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await api.request(`/audit?page_size=7&table_name=teams&cursor=${cursor}`);
      expect(page.status, page.text).toBe(200);
      walked.push(...page.body.audit_logs.map(({ id }: { id: string }) => id));
      cursor = page.body.next_cursor;
    }
    const newestFirst = sent.toSorted((a, b) => ((a.updated_at ?? '') < (b.updated_at ?? '') ? 1 : -1));
    expect(walked).toEqual(newestFirst.map(({ id }) => id));
    const count = async (query: string) => {
      const { status, text, body } = await api.request(`/audit?${query}`);
      expect(status, text).toBe(200);
      return body.total;
    };
    expect(await count('changed_by=user%201')).toBe(15);
    expect(await count('object_team_id=t1&table_name=teams')).toBe(22);
    expect(await count('updated_values.n=3&start_date=2026-07-03')).toBe(1);
    expect(await count('search=user%202&table_name=teams')).toBe(15);
    expect(await count('start_date=2026-07-03T11:00:00Z&end_date=2026-07-03T11:59:59Z')).toBe(9);
    for (const by of ['changed_by', 'recorded_at', 'object_id', 'id'])
      expect(
        (await api.request(`/audit?sort_by=${by}&page=2&page_size=20&table_name=teams`)).body.audit_logs,
      ).toHaveLength(20);
    for (const format of ['ndjson', 'csv']) {
      const file = await api.request(`/audit/export?format=${format}&table_name=teams`);
      expect([file.status, file.text.trimEnd().split('\n').length]).toEqual([200, format === 'csv' ? 46 : 45]);
    }
    const stats = await api.request(
      '/audit/stats?group_by=changed_by&interval=hour&start_date=2026-07-03&end_date=2026-07-04',
    );
    expect(stats.status, stats.text).toBe(200);
    const history = await api.request('/audit/objects/teams/1');
    expect([history.status, history.text.includes('"n"')], history.text).toEqual([200, true]);
    const hours = '/exports/hours?start_date=2026-07-03&end_date=2026-07-03';
    for (const path of ['/exports', hours, '/readyz', '/metrics']) {
      const answer = await api.request(path);
      expect([path, answer.status], answer.text).toEqual([path, 200]);
    }
  });

  test('the doctor looks at the node that has the rows, and names a trigger that is missing on a shard', async () => {
    const api = await start();
    expect((await api.request('/audit/batch', { body: someEvents(3) })).status).toBe(201);
    await run(startExporter(['--once']), 0);
    const examine = async () => {
      const app = startExporter(['--doctor', '--json'], { LOG_LEVEL: 'fatal' });
      await app.ended;
      const line = app
        .output()
        .split('\n')
        .find((text) => text.startsWith('{"ok"'));
      const { findings } = JSON.parse(line ?? '{"findings":[]}') as {
        findings: { what: string; state: string; says: string }[];
      };
      expect(findings.length, app.output()).toBeGreaterThan(0);
      return {
        findings,
        failed: findings.filter(({ state }) => state === 'fail').map(({ what, says }) => `${what}: ${says}`),
      };
    };
    const healthy = await examine();
    // The cluster of the tests does not flush.
    expect(healthy.failed.filter((one) => !/^durability/.test(one))).toEqual([]);
    expect(healthy.findings.map(({ what }) => what)).toEqual(
      expect.arrayContaining(
        ['disk', 'triggers', 'durability', 'autovacuum', 'dead rows', 'transaction ids', 'old transactions'].map(
          (what) => `${what} of the shards`,
        ),
      ),
    );
    expect(healthy.findings.filter(({ state }) => state === 'unknown').map(({ what }) => what)).not.toContain(
      'triggers of the shards',
    );
    const [dropped] = await citus.onShards(
      'audit_log',
      `do $x$ begin execute (select 'drop trigger ' || tgname || ' on %1$s' from pg_trigger
        where tgrelid = '%1$s'::regclass and starts_with(tgname, 'audit_log_append_only')); end $x$`,
    );
    expect(dropped).toMatchObject({ success: true });
    const broken = await examine();
    expect(broken.failed.join('\n')).toMatch(
      /triggers of the shards: .*audit_log_append_only\S* on audit_log_\d+ is missing/,
    );
  });

  test('writers, killed exporters, moves while writing, and a coordinator that stops: each acknowledged event is in one object', async () => {
    const api = await start();
    let isWriting = true;
    const acknowledged: string[] = [];
    const write = async () => {
      while (isWriting) {
        const events = someEvents(5, { updated_at: '2026-07-03T11:00:00Z', table_name: 'faults' });
        for (let isStored = false; !isStored; ) {
          // The same events again, until they are acknowledged.
          const answer = await api.request('/audit/batch', { body: events }).catch(() => null);
          isStored = answer !== null && answer.status < 300;
        }
        acknowledged.push(...events.map(({ id }) => id));
      }
    };
    const writers = [write(), write(), write()];
    const settings = { EXPORT_LEASE_MS: '2000', S3_REQUEST_TIMEOUT_MS: '600', EXPORT_BATCH_MAX_ROWS: '50' };
    const exporters = [startExporter([], settings), startExporter([], settings)];
    const grown = async (by: number) => {
      const from = acknowledged.length;
      await eventually(() => expect(acknowledged.length).toBeGreaterThan(from + by));
    };
    const kill = async () => {
      exporters.shift()?.signal('SIGKILL');
      exporters.push(startExporter([], settings));
      await grown(30);
    };
    await grown(50);
    for (const place of ['lowest', 'highest', 'lowest'] as const) {
      await kill();
      await citus.moveTo(place, 'force_logical');
      await kill();
    }
    if (restart !== '') {
      await promisify(execFile)('bash', ['-c', restart]);
      await grown(50);
      await kill();
    }
    isWriting = false;
    await Promise.all(writers);
    for (const exporter of exporters) {
      exporter.signal('SIGKILL');
      await exporter.ended;
    }
    await eventually(async () => {
      const app = startExporter(['--once'], settings);
      expect(await app.ended, app.output()).toBe(0);
      expect(Object.keys(await states())).toEqual(['done']);
    });
    const events = await citus.db.sql<
      { id: string }[]
    >`select id::text from auditbox.audit_log where table_name = 'faults'`;
    expect(events.map(({ id }) => id).sort()).toEqual(acknowledged.toSorted());
    await expectExactlyOnce(bucket, acknowledged);
  });
});
