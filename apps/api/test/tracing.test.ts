import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { startTraceCollector, type TraceCollector } from '@auditbox/testing/stubs/trace-collector.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let collector: TraceCollector;
let api: ApiFixture;
beforeEach(async () => {
  collector = await startTraceCollector();
});
afterEach(async () => {
  await api.close();
  collector.close();
});

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callersSpan = '00f067aa0ba902b7';

test("a request is a span of its caller's trace, named after its route; the event is stored unchanged", async () => {
  api = await createApiFixture({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  const event = anEvent({ context: { ip: '10.0.0.1' } });
  const headers = { traceparent: `00-${traceId}-${callersSpan}-01` };
  expect((await api.request('/audit', { body: event, headers })).status).toBe(201);
  const { body } = await api.request(`/audit/${event.id}`);
  expect(body.context).toEqual({ ip: '10.0.0.1' });
  await eventually(() => {
    const [post] = collector.spans.filter(({ name }) => name === 'POST /audit');
    expect(post).toMatchObject({ service: 'auditbox-api', traceId, parentSpanId: callersSpan });
    expect(Number(post?.attributes['http.response.status_code'])).toBe(201);
    const [get] = collector.spans.filter(({ name }) => name === 'GET /audit/:id');
    expect(get?.traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(get?.traceId).not.toBe(traceId);
  });
  expect(JSON.stringify(collector.spans)).not.toContain(event.id);
});

test('a caller that does not sample its trace gets no span, and health checks never do', async () => {
  api = await createApiFixture({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  const headers = { traceparent: `00-${traceId}-${callersSpan}-00` };
  await api.request('/audit', { body: anEvent(), headers });
  await api.request('/livez');
  await api.request('/audit?page_size=1');
  await eventually(() => expect(collector.spans.map(({ name }) => name)).toEqual(['GET /audit']));
});

test('requests succeed while the collector is down', async () => {
  collector.close();
  api = await createApiFixture({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
  await api.app.event('traces-not-sent');
  expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
  api.app.signal('SIGTERM');
  expect(await api.app.ended).toBe(0);
});

test.each([false, true])('OpenTelemetry is loaded only with an endpoint: %s', async (isOn) => {
  const tell = `registerHooks({load(url,context,next){console.log(url);return(next(url,context))}})`;
  const hook = `data:text/javascript,import{registerHooks}from'node:module';${tell}`;
  api = await createApiFixture({
    NODE_OPTIONS: `--import=${hook}`,
    ...(isOn && { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint }),
  });
  expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
  expect(api.app.output()).toContain('/apps/api/src/app.ts');
  expect(api.app.output().includes('/@opentelemetry/sdk-trace/')).toBe(isOn);
});
