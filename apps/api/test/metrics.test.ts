import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type Metrics, readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy, type TcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const requests = (metrics: Metrics, method: string, route: string, status: string) =>
  metrics.value(`auditbox_http_request_seconds_count{method="${method}",route="${route}",status="${status}"}`);

describe('an api at work', () => {
  let api: ApiFixture;
  beforeAll(async () => {
    api = await createApiFixture();
  });
  afterAll(() => api.close());

  const accepted = (metrics: Metrics, outcome: string) =>
    metrics.value(`auditbox_events_accepted_total{outcome="${outcome}"}`) ?? 0;
  const rejected = (metrics: Metrics, reason: string) =>
    metrics.value(`auditbox_event_writes_rejected_total{reason="${reason}"}`) ?? 0;

  test('created and existing events are counted, for single events and batches', async () => {
    const before = await readMetrics(api.url);
    const [one, ...others] = someEvents(4);
    await api.request('/audit', { body: one });
    await api.request('/audit', { body: one });
    await api.request('/audit/batch', { body: [one, ...others] });
    const after = await readMetrics(api.url);
    expect(accepted(after, 'created') - accepted(before, 'created')).toBe(4);
    expect(accepted(after, 'existing') - accepted(before, 'existing')).toBe(2);
  });

  test.each([
    ['unreadable', { body: '{' }],
    ['unreadable', { body: anEvent(), type: 'text/plain' }],
    ['invalid', { body: { ...anEvent(), action: 'danced' } }],
    ['in the future', { body: anEvent({ updated_at: '9000-01-01T00:00:00Z' }) }],
    ['too large', { body: anEvent({ updated_values: 'x'.repeat(1_100_000) }) }],
    ['no key', { body: anEvent(), key: null }],
  ] as const)('a rejected write is counted by its reason: %s', async (reason, request) => {
    const before = await readMetrics(api.url);
    expect((await api.request('/audit', request)).status).toBeGreaterThanOrEqual(400);
    const after = await readMetrics(api.url);
    expect(rejected(after, reason) - rejected(before, reason)).toBe(1);
    expect(accepted(after, 'created')).toBe(accepted(before, 'created'));
  });

  test('an id of another event counts as a conflict, and a rejected read does not count', async () => {
    const event = anEvent();
    await api.request('/audit', { body: event });
    const before = await readMetrics(api.url);
    await api.request('/audit', { body: { ...event, changed_by: 'somebody else' } });
    await api.request('/audit?page=0');
    const after = await readMetrics(api.url);
    expect(rejected(after, 'conflict') - rejected(before, 'conflict')).toBe(1);
    expect(rejected(after, 'unreadable')).toBe(rejected(before, 'unreadable'));
  });

  test('requests are counted by route template, never by the path that a caller sent', async () => {
    await api.request(`/audit/${anEvent().id}`);
    await api.request('/audit/not-an-id');
    await api.request('/nowhere/at/all');
    await api.request('/audit', { method: 'PROPFIND' });
    await eventually(async () => {
      const metrics = await readMetrics(api.url);
      expect(requests(metrics, 'GET', '/audit/:id', '404')).toBe(1);
      expect(requests(metrics, 'GET', '/audit/:id', '400')).toBe(1);
      expect(requests(metrics, 'GET', 'other', '404')).toBe(1);
      expect(requests(metrics, 'other', '/audit', '405')).toBe(1);
    });
    expect((await readMetrics(api.url)).text).not.toMatch(/nowhere|not-an-id|PROPFIND/);
  });

  test('the metrics show single events that wait, and callers that disconnected', async () => {
    const unlock = await lockAuditLog(api.db);
    const leaving = new AbortController();
    const waiting: Promise<unknown>[] = [];
    // One after the other: events that are sent at once may all share the running statements, and no event waits.
    const sendAnother = () => {
      const [event] = someEvents(1);
      const answer = fetch(`${api.url}/audit`, {
        method: 'POST',
        headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(event),
        signal: leaving.signal,
      });
      waiting.push(answer.catch(() => 'left'));
    };
    await eventually(async () => {
      sendAnother();
      const metrics = await readMetrics(api.url);
      expect(metrics.value('auditbox_coalescer_waiting_events')).toBeGreaterThan(0);
      expect(metrics.value('auditbox_coalescer_waiting_bytes')).toBeGreaterThan(512);
      expect(metrics.value('auditbox_database_statements')).toBeGreaterThanOrEqual(2);
    });
    leaving.abort();
    await Promise.all(waiting);
    await unlock();
    await eventually(async () => {
      const metrics = await readMetrics(api.url);
      expect(requests(metrics, 'POST', '/audit', 'aborted')).toBe(waiting.length);
      expect(metrics.value('auditbox_coalescer_waiting_events')).toBe(0);
      expect(metrics.value('auditbox_coalescer_waiting_bytes')).toBe(0);
      // A statement counts when it has ended, and its events no longer wait from its beginning on.
      expect(metrics.value('auditbox_coalescer_flush_events_sum')).toBeGreaterThanOrEqual(waiting.length);
    });
  });

  test('the metrics describe the process and its build, and need no key', async () => {
    const { names, text } = await readMetrics(api.url);
    expect(text).toMatch(/^auditbox_build_info\{version="\d+\.\d+\.\d+",node="24\.\d+\.\d+"\} 1$/m);
    for (const name of ['process_cpu_seconds_total', 'nodejs_eventloop_lag_p99_seconds', 'auditbox_database_up'])
      expect(names).toContain(name);
  });
});

describe('with other settings', () => {
  afterAll(endApps);

  test('with METRICS_TOKEN, /metrics rejects every other key, including the master key', async () => {
    const api = await createApiFixture({ METRICS_TOKEN: 'a-token-for-prometheus' });
    expect((await api.request('/metrics', { key: null })).status).toBe(401);
    expect((await api.request('/metrics')).status).toBe(401);
    expect((await api.request('/metrics', { key: 'a-token-for-prometheus' })).status).toBe(200);
    expect((await api.request('/audit', { key: 'a-token-for-prometheus' })).status).toBe(401);
    await api.close();
  });

  test.concurrent.each<[state: string, breakIt: (proxy: TcpProxy) => unknown, repair: (proxy: TcpProxy) => unknown]>([
    ['down', (proxy) => proxy.down(), (proxy) => proxy.up()],
    [
      'silent',
      (proxy) => proxy.swallow(true),
      (proxy) => {
        proxy.swallow(false);
        proxy.reset();
      },
    ],
  ])('a scrape gets an answer while the database is %s, and reports that state', async (_state, breakIt, repair) => {
    const db = await openTestDatabase();
    const url = new URL(urlAs('api', db.url));
    const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    const app = spawnApp('api/src/main.ts', { DATABASE_URL: url.href, PORT: '0', AUDIT_MASTER_KEY: masterKey });
    const api = `http://127.0.0.1:${(await app.event('api-listening')).port}`;
    expect((await readMetrics(api)).value('auditbox_database_up')).toBe(1);
    await breakIt(proxy);
    await eventually(async () => expect((await readMetrics(api)).value('auditbox_database_up')).toBe(0));
    await repair(proxy);
    await eventually(async () => expect((await readMetrics(api)).value('auditbox_database_up')).toBe(1));
    app.signal('SIGKILL');
    await app.ended;
    await proxy.down();
    await db.close(1_000);
  });
});
