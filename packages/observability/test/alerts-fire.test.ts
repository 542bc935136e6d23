import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { type OwnReplica, startOwnReplica } from '@auditbox/testing/servers/own-replica.ts';
import { fillDisk, mountSmallDisk, type SmallDisk } from '@auditbox/testing/servers/small-disk.ts';
import type { App } from '@auditbox/testing/servers/spawn-app.ts';
import { createTemplate } from '@auditbox/testing/servers/template-database.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasNodeExporter, startNodeExporter } from './node-exporter.ts';
import { type FiringAlert, hasPrometheus, type Prometheus, startPrometheus } from './prometheus-server.ts';
import { readAlerts } from './queries.ts';

/*
 * The alerts about states that no request shows, fired by a real Prometheus from the metrics of real processes in these states. How long a state
 * must last is left out; the tests for promtool test it. Needs prometheus (or TEST_PROMETHEUS).
 */

const runbookUrl = 'https://docs.example/RUNBOOK.html';
const rules = { groups: [{ name: 'auditbox', rules: readAlerts().map(({ for: _, ...rule }) => rule) }] };

describe.skipIf(!hasPrometheus)('alerts (needs prometheus)', () => {
  let own: OwnPostgres;
  let rig: ExporterFixture;
  let replica: OwnReplica;
  let api: Awaited<ReturnType<typeof startApi>>;
  let second: App;
  let secondTarget: string;
  let disk: SmallDisk | null;
  let nodeExporter: Awaited<ReturnType<typeof startNodeExporter>> | null = null;
  let prometheus: Prometheus;

  beforeAll(async () => {
    own = await startOwnPostgres();
    await createTemplate(own.url, migrateWithRoles);
    rig = await createExporterFixture(own.url);
    replica = await startOwnReplica(own);
    const readUrl = new URL(urlAs('api', rig.db.url));
    readUrl.port = new URL(replica.url).port;
    api = await startApi(urlAs('api', rig.db.url), {
      DATABASE_READ_URL: readUrl.href,
      // All keys are tried from one address.
      RATE_LIMIT_FAILED_KEYS: '0',
    });
    const first = rig.start([], { AUDIT_RETENTION_DAYS: '3650' });
    second = rig.start();
    const targetOf = async (app: App) => `127.0.0.1:${(await app.event('exporter-running')).port}`;
    secondTarget = await targetOf(second);
    disk = hasNodeExporter ? await mountSmallDisk() : null;
    if (disk !== null) nodeExporter = await startNodeExporter(disk.folder);
    prometheus = await startPrometheus(
      {
        'auditbox-api': new URL(api.url).host,
        'auditbox-exporter': [await targetOf(first), secondTarget],
        ...(nodeExporter !== null && { 'auditbox-postgres': nodeExporter.target }),
      },
      { rules, runbookUrl },
    );
  });
  afterAll(async () => {
    await prometheus?.close();
    await nodeExporter?.close();
    await disk?.remove();
    await rig?.close();
    await replica?.close();
    await own?.close();
  });

  /**
   * The one alert with this name, once it fires as expected: a scrape may see the half of what a test does. Its address is absolute and
   * leads to its chapter.
   */
  async function fires(name: string, expected: object = {}): Promise<FiringAlert> {
    return eventually(async () => {
      const firing = await prometheus.listFiring(name);
      expect(firing).toHaveLength(1);
      const [alert] = firing as [FiringAlert];
      expect(alert).toMatchObject(expected);
      expect(alert.annotations.runbook_url).toBe(`${runbookUrl}#${name.toLowerCase()}`);
      return alert;
    });
  }

  test('none of them fires while all is well', async () => {
    await eventually(async () => {
      const up = await prometheus.queryRange('sum(up)', {
        start: Date.now() / 1000 - 1,
        end: Date.now() / 1000,
        step: 1,
      });
      expect(Number(up[0]?.values.at(-1)?.[1])).toBe(nodeExporter === null ? 3 : 4);
    });
    // Rules that were evaluated before the first scrape found no process.
    await eventually(async () => {
      for (const { alert } of readAlerts()) expect(await prometheus.listFiring(alert), alert).toEqual([]);
    });
  });

  // The replica lags for a minute. So the state begins here, and the test of its alert is the last one.
  test('a replica is paused, and gets events', async () => {
    await rig.db.store(someEvents(1));
    await replica.pause();
    await rig.db.store(someEvents(1));
    await eventually(async () => expect(await rig.db.states()).toEqual({ done: 2 }));
  });

  test('one exporter of two is down', async () => {
    second.signal('SIGKILL');
    const { labels, annotations } = await fires('AuditboxProcessDown');
    expect(labels).toMatchObject({ job: 'auditbox-exporter', instance: secondTarget });
    expect(annotations.summary).toContain(secondTarget);
    expect(await prometheus.listFiring('AuditboxExporterDown')).toEqual([]);
  });

  test('a month is past AUDIT_RETENTION_DAYS', async () => {
    await rig.db.sql`select auditbox.make_month('2010-01-01')`;
    await fires('AuditboxRetentionStuck', { value: 1 });
  });

  test('an exported batch has no place in the log', async () => {
    await rig.db.sql`insert into auditbox.log_head (destination, origin) values ('s3', 'example.com/log')`;
    await rig.db.sql
      .unsafe(
        `alter table auditbox.delivery disable trigger delivery_changes;
         update auditbox.delivery set done_at = done_at - interval '2 hours';
         alter table auditbox.delivery enable always trigger delivery_changes`,
      )
      .simple();
    const { value, annotations } = await fires('AuditboxLogBehind');
    expect(value).toBeGreaterThanOrEqual(7_200);
    expect(value).toBeLessThan(7_500);
    expect(annotations.summary).toMatch(/waited for 2h .* in the log of s3\.$/);
  });

  test('the last comparison of database and bucket is nine days old', async () => {
    await rig.db.sql`
      insert into auditbox.last_verify (destination, objects, differences, finished_at)
      values ('s3', 2, 0, now() - interval '9 days')`;
    const { value, annotations } = await fires('AuditboxVerifyOld');
    expect(Math.floor(value / 86_400)).toBe(9);
    expect(annotations.summary).toMatch(/s3 9d .* ago\.$/);
  });

  test('the master key is used', async () => {
    for (let n = 0; n < 3; n += 1) expect((await api.request('/audit')).status).toBe(200);
    await fires('AuditboxMasterKeyUsed', { value: 3 });
  });

  test('callers send keys that are refused: one is no alert, two a second are', async () => {
    const refused = async () => expect((await api.request('/audit', { key: 'ab_nobody' })).status).toBe(401);
    await refused();
    const count = () =>
      prometheus.queryRange('sum(auditbox_http_request_seconds_count{status="401"})', {
        start: Date.now() / 1000 - 5,
        end: Date.now() / 1000,
        step: 1,
      });
    await eventually(async () => expect((await count())[0]?.values.length).toBeGreaterThan(2));
    expect(await prometheus.listFiring('AuditboxKeysRefused')).toEqual([]);
    for (let n = 0; n < 600; n += 20) await Promise.all(Array.from({ length: 20 }, refused));
    const { value } = await fires('AuditboxKeysRefused');
    expect(value).toBeGreaterThan(1);
    expect(value).toBeLessThan(3);
  });

  test.skipIf(!hasNodeExporter || process.getuid?.() !== 0)(
    'the disk of Postgres fills (needs root and a node exporter)',
    async () => {
      if (disk === null) throw new Error('No disk could be mounted.');
      expect(await prometheus.listFiring('AuditboxDiskFills')).toEqual([]);
      await fillDisk(disk.folder);
      await fires('AuditboxDiskFills', {
        value: 0,
        labels: { mountpoint: disk.folder },
        annotations: { summary: 'The disk of Postgres has 0% left.' },
      });
    },
  );

  test('the replica is a minute behind', async () => {
    const { value, annotations } = await fires('AuditboxReplicaBehind');
    expect(value).toBeGreaterThan(60);
    expect(value).toBeLessThan(600);
    expect(annotations.summary).toMatch(/^The replica that answers reads is \d+m .*behind\.$/);
  });
});
