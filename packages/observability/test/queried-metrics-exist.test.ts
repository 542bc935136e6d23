import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatVerifierKey, verifierKeyOf } from '@auditbox/evidence/signed-note.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type Metrics, readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findSelectors, readAlerts, readDashboardQueries } from './queries.ts';

/* Prometheus reports no error for a metric that does not exist: the panel stays empty and the alert never fires. */

let rig: ExporterFixture;
let otherCell: TestDatabase;
let receiver: HttpReceiver;
let metrics: readonly Metrics[];

/** Reads the metrics of both processes, and of an api with cells, after an event, a rejected request, an error of the store, one of a webhook, and a verify. */
beforeAll(async () => {
  rig = await createExporterFixture();
  let hasFailed = false;
  rig.proxy.intervene = {
    before: ({ path }) => {
      if (hasFailed || !path.includes('.ndjson.')) return undefined;
      hasFailed = true;
      return { status: 503, code: 'SlowDown' };
    },
  };
  receiver = await startHttpReceiver();
  const { requests } = receiver;
  receiver.answer = () => ({ status: requests.filter(({ method }) => method === 'POST').length === 1 ? 500 : 200 });
  const webhook = { WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}` };
  const api = spawnApp('api/src/main.ts', {
    DATABASE_URL: urlAs('api', rig.db.url),
    PORT: '0',
    AUDIT_MASTER_KEY: masterKey,
  });
  otherCell = await openTestDatabase();
  const cells = `ash=${urlAs('api', rig.db.url)} birch=${urlAs('api', otherCell.url)}`;
  const ofCells = spawnApp('api/src/main.ts', { DATABASE_CELLS: cells, PORT: '0', AUDIT_MASTER_KEY: masterKey });
  const folder = mkdtempSync(join(tmpdir(), 'log-'));
  const keyFile = join(folder, 'key.pem');
  writeFileSync(keyFile, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const policyFile = join(folder, 'policy');
  const witness = formatVerifierKey(verifierKeyOf('w.example', generateKeyPairSync('ed25519').publicKey, 4));
  writeFileSync(policyFile, `witness w ${witness} http://127.0.0.1:1\nquorum w\n`);
  const log = {
    EXPORT_LOG_ORIGIN: 'log.example/test',
    EXPORT_LOG_KEY_FILE: keyFile,
    EXPORT_LOG_WITNESS_POLICY: policyFile,
  };
  await rig.db.sql`insert into auditbox.last_verify (destination, objects, differences) values ('s3', 0, 0)`;
  const exporter = rig.start([], { EXPORT_RETRY_CAP_MS: '100', ...log, ...webhook });
  const apiUrl = `http://127.0.0.1:${(await api.event('api-listening')).port}`;
  const exporterUrl = `http://127.0.0.1:${(await exporter.event('exporter-running')).port}`;
  await exporter.event('destination-added');
  for (const body of [anEvent(), 'no event']) {
    await fetch(`${apiUrl}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 2 }));
  const ofCellsUrl = `http://127.0.0.1:${(await ofCells.event('api-listening')).port}`;
  metrics = await Promise.all([apiUrl, exporterUrl, ofCellsUrl].map((url) => readMetrics(url)));
});
afterAll(async () => {
  await rig.close();
  await otherCell.close(1_000);
  await receiver.close();
});

/** Metrics and labels that Prometheus adds, and metrics of the disk from a node exporter and from the kubelet. */
const addedByPrometheus = { metrics: ['up'], labels: ['job', 'instance'] };
const fromOthers = /^(node_filesystem|kubelet_volume_stats)_/;

const queries = [
  ...readAlerts().map(({ alert, expr }) => [`alert ${alert}`, expr] as const),
  ...readDashboardQueries().map(([title, expr]) => [`panel "${title}"`, expr] as const),
];

test.each(queries)('%s uses metrics and labels that the processes export: %s', (_who, expr) => {
  const selectors = findSelectors(expr);
  expect(selectors).not.toHaveLength(0);
  for (const { metric, labels } of selectors) {
    if (addedByPrometheus.metrics.includes(metric) || fromOthers.test(metric)) continue;
    const series = metrics.flatMap(({ text }) => text.split('\n')).filter((line) => /^\w+/.exec(line)?.[0] === metric);
    expect(series, `${metric} is exported by no process`).not.toHaveLength(0);
    for (const label of labels.filter((name) => !addedByPrometheus.labels.includes(name)))
      expect(series[0], `${metric} has no label ${label}`).toMatch(new RegExp(`[{,]${label}="`));
  }
});

test('each of our metrics is used by a panel or an alert', () => {
  const families = new Set(queries.flatMap(([, expr]) => findSelectors(expr).map(({ metric }) => toFamily(metric))));
  const exported = metrics.flatMap(({ names }) => [...names]).filter((name) => name.startsWith('auditbox_'));
  expect(exported.map(toFamily).filter((name) => !families.has(name))).toEqual([]);
});

function toFamily(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, '');
}
