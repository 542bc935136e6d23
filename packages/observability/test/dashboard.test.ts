import { writeFile } from 'node:fs/promises';
import { masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawDashboard, type Line } from './draw-dashboard.ts';
import { hasPrometheus, type Prometheus, type Series, startPrometheus } from './prometheus-server.ts';
import { type DashboardPanel, findSelectors, readDashboard } from './queries.ts';

/*
 * The dashboard's queries, asked of a real Prometheus that watched a real outage of the store: TEST_PROMETHEUS, or prometheus in the
 * PATH. Skipped without it. DASHBOARD_PICTURE=docs/pictures/dashboard.svg makes the outage longer and writes the picture.
 */

const picture = process.env.DASHBOARD_PICTURE;
/** Of each of the three parts: all well, the store refuses, all well again. Rates need five answers. */
const partMs = picture === undefined ? 6_000 : 80_000;
const rateInterval = '5s';

/** Metrics without a series: there is no destination but S3, and no event was rejected. */
const withoutData = [
  'auditbox_event_writes_rejected_total',
  'auditbox_request_errors_total',
  'auditbox_request_rows_total',
  'auditbox_request_seconds_bucket',
  'auditbox_requests_total',
];

let rig: ExporterFixture;
let prometheus: Prometheus | undefined;
beforeAll(async () => {
  if (hasPrometheus) rig = await createExporterFixture();
});
afterAll(async () => {
  await prometheus?.close();
  await rig?.close();
});

/** Writes events until the time is over. */
async function write(request: (path: string, options: object) => Promise<{ status: number }>): Promise<void> {
  const until = performance.now() + partMs;
  for (let n = 0; performance.now() < until; n += 1) {
    await request('/audit', { body: someEvents(1)[0] });
    if (n % 10 === 0) await request('/audit/batch', { body: someEvents(50 + 40 * Math.sin(n / 300)) });
    if (n % 20 === 0) await request('/audit?page_size=50', {});
  }
}

/** A line of a panel by Grafana's rule for legends. */
function toLine({ metric, values }: Series, legend: string): Line {
  const name =
    legend.replace(/\{\{(\w+)\}\}/g, (_all, label: string) => metric[label] ?? '') || metric.destination || 'value';
  return { name, points: values.map(([seconds, value]) => [seconds * 1000, Number(value)]) };
}

test.skipIf(!hasPrometheus)(
  'each query of the dashboard shows what an outage of the store does (needs prometheus)',
  async () => {
    const api = await startApi(urlAs('api', rig.db.url));
    const exporter = rig.start([], { EXPORT_RETRY_CAP_MS: '2000' });
    const { port } = await exporter.event('exporter-running');
    prometheus = await startPrometheus({
      'auditbox-api': new URL(api.url).host,
      'auditbox-exporter': `127.0.0.1:${port}`,
    });
    const start = Date.now() / 1000;
    const ask = (path: string, options: object) => api.request(path, { key: masterKey, ...options });
    await write(ask);
    rig.proxy.intervene = {
      before: ({ method }) => (method === 'PUT' ? { status: 503, code: 'SlowDown' } : undefined),
    };
    await write(ask);
    rig.proxy.intervene = {};
    await write(ask);
    const range = { start, end: Date.now() / 1000, step: Math.max(1, partMs / 40_000) };
    const shown: (readonly [DashboardPanel, readonly Line[]])[] = [];
    const empty = new Set<string>();
    for (const panel of readDashboard()) {
      const lines = [];
      for (const { expr, legend } of panel.targets) {
        const series = await prometheus.queryRange(expr.replaceAll('$__rate_interval', rateInterval), range);
        if (series.length === 0) for (const { metric } of findSelectors(expr)) empty.add(metric);
        lines.push(...series.map((one) => toLine(one, legend)));
      }
      shown.push([panel, lines]);
    }
    expect([...empty].sort()).toEqual(withoutData);
    const values = (title: string) =>
      shown.find(([panel]) => panel.title === title)?.[1].flatMap(({ points }) => points) ?? [];
    const age = values('Oldest event that is not in the bucket').map(([, value]) => value);
    expect(Math.max(...age)).toBeGreaterThan(partMs / 2_000);
    if (picture !== undefined) await writeFile(picture, drawDashboard(shown.filter(([{ gridPos }]) => gridPos.y < 31)));
  },
);
