import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { exporterEnv } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type S3Proxy, startS3Proxy } from '@auditbox/testing/proxies/s3-proxy.ts';
import { createTestBucket, type TestBucket } from '@auditbox/testing/servers/bucket.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { fillDisk, mountSmallDisk, type SmallDisk } from '@auditbox/testing/servers/small-disk.ts';
import { type App, endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { readChapter, readChapterOf, type } from './at-night.ts';

/* The night on which the disk of Postgres is full. The person at work has the alert's text, the runbook and what it names. */

const firstDisk = await mountSmallDisk();
if (firstDisk === null)
  process.stderr.write(
    '\nSKIPPED: the night of the full disk. It mounts a small file system, which needs root on Linux.\n\n',
  );
await firstDisk?.remove();

describe.skipIf(firstDisk === null)('a full disk', () => {
  let disk: SmallDisk;
  let own: OwnPostgres;
  let proxy: S3Proxy;
  let bucket: TestBucket;
  let env: Record<string, string>;
  let api: Awaited<ReturnType<typeof startApi>>;
  let exporter: App;
  let isStoreDown = true;
  const acknowledged: string[] = [];

  beforeEach(async () => {
    disk = (await mountSmallDisk()) ?? expect.fail('no disk');
    own = await startOwnPostgres({ parent: disk.folder });
    await migrateWithRoles(own.url);
    proxy = await startS3Proxy(inject('s3Endpoint'));
    bucket = await createTestBucket(inject('s3Endpoint'));
    isStoreDown = true;
    proxy.intervene = {
      before: ({ method }) => (isStoreDown && method === 'PUT' ? { status: 503, code: 'SlowDown' } : undefined),
    };
    env = {
      ...exporterEnv({ databaseUrl: own.url, endpoint: proxy.endpoint, bucket: bucket.name }),
      EXPORT_RETRY_CAP_MS: '1000',
    };
    exporter = spawnApp('exporter/src/main.ts', env);
    api = await startApi(urlAs('api', own.url));
    await exporter.event('exporter-running');
    acknowledged.length = 0;
  });
  afterEach(async () => {
    await endApps();
    await own.close();
    await proxy.close();
    bucket.client.destroy();
    await disk.remove();
  });
  afterAll(endApps);

  /** Sends a batch of events with much text; counts those that were acknowledged. */
  async function post() {
    const text = Buffer.from(crypto.getRandomValues(new Uint8Array(40_000))).toString('base64');
    const events = someEvents(5, { updated_values: { text } });
    const answer = await api.request('/audit/batch', { body: events });
    if (answer.status === 201) acknowledged.push(...events.map(({ id }) => id));
    return answer;
  }

  async function readApi(metric: string) {
    const { text } = await readMetrics(api.url);
    return text.split('\n').find((line) => line.startsWith(metric));
  }

  const status = () => type('npm run status', env);

  /** After the one action, everything goes on by itself, and nothing that was acknowledged is lost or doubled. */
  async function expectRecovery(): Promise<void> {
    await eventually(async () => expect(await post()).toMatchObject({ status: 201 }));
    await eventually(() => expectExactlyOnce(bucket, acknowledged));
    await eventually(async () => expect(await status()).toMatchObject({ code: 0 }));
    for (const app of [api.app, exporter]) expect(app.output()).not.toContain('"event":"stopping"');
    expect((await fetch(`${api.url}/readyz`)).status).toBe(200);
  }

  test('tables cannot grow: the api says so, status names the disk, and goes on with a larger disk', async () => {
    for (let sent = 0; sent < 3; sent += 1) expect((await post()).status).toBe(201);
    await fillDisk(disk.folder);
    const refused = await eventually(async () => {
      const answer = await post();
      expect(answer.status).toBe(503);
      return answer;
    });
    expect(refused.body).toMatchObject({
      code: 'database-unavailable',
      detail: 'The database cannot write, because its disk is full (53100).',
    });
    expect(refused.headers.get('retry-after')).toBe('1');
    isStoreDown = false;
    // AuditboxApiErrors fires over these. AuditboxDiskFills fired before, where a node exporter runs.
    expect(
      await readApi('auditbox_http_request_seconds_count{method="POST",route="/audit/batch",status="503"}'),
    ).toBeDefined();
    expect(await readApi('auditbox_event_writes_rejected_total{reason="database"}')).toMatch(/ [1-9]/);
    expect(readChapterOf('AuditboxApiErrors')).toContain('It names `disk`: see [The disk fills](#the-disk-fills)');
    expect(readChapterOf('AuditboxDiskFills')).toContain('[The disk fills](#the-disk-fills)');
    const { code, output } = await status();
    expect(output).toMatch(/fail {5}disk: Postgres's disk is full\..*\n +→ Enlarge the disk, or remove files/);
    expect(code).toBe(1);
    expect((await type('npm run doctor', env)).output).toMatch(/fail {5}disk: Postgres's disk is full/);
    expect(readChapter('The disk fills')).toMatch(/^1\. No space is left: \*\*enlarge the disk\*\*/m);
    await disk.enlarge();
    await expectRecovery();
  });

  test('the WAL cannot grow, so Postgres stops: status leads to its log, and it goes on with a larger disk', async () => {
    for (let sent = 0; sent < 3; sent += 1) expect((await post()).status).toBe(201);
    await fillDisk(disk.folder);
    // Each switch begins a new file of the WAL, until there is no room for one.
    const fill = async () => {
      for (;;) await own.sql`select pg_switch_wal(), pg_logical_emit_message(false, 'x', 'y')`;
    };
    await expect(fill()).rejects.toThrow();
    await eventually(async () => expect((await post()).status).toBe(503));
    isStoreDown = false;
    expect(await status()).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^fail {5}database: The database is not available now/),
    });
    await eventually(async () => expect(await readApi('auditbox_database_up')).toMatch(/ 0$/));
    expect(readChapter('The first five minutes')).toContain(
      'It names `database` or `schema`: the database is the problem. Go to [AuditboxDatabaseDown]',
    );
    expect(readChapterOf('AuditboxDatabaseDown')).toContain(
      '`No space left on device`: [The disk fills](#the-disk-fills)',
    );
    await disk.enlarge();
    // A Postgres that stopped during its recovery does not always start again by itself.
    expect(readChapter('The disk fills')).toContain('restart Postgres.');
    await own.killAndRestart('SIGQUIT');
    await expectRecovery();
  });
});
