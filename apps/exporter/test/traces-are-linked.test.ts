import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { sendTogether } from '@auditbox/testing/fixtures/send-together.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTraceCollector, type TraceCollector } from '@auditbox/testing/stubs/trace-collector.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let collector: TraceCollector;
let rig: ExporterFixture;
beforeEach(async () => {
  collector = await startTraceCollector();
  rig = await createExporterFixture();
});
afterEach(async () => {
  await rig.close();
  collector.close();
});

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callersSpan = '00f067aa0ba902b7';
const updated_at = '2026-07-03T11:46:50Z';
const traced = () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
const spans = (name: string) => collector.spans.filter((span) => span.name === name);
const stored = () =>
  rig.db.sql<
    { id: string; traceparent: string | null }[]
  >`select id::text, traceparent from auditbox.audit_log order by id`;

/** The links of one upload, once its span and the spans of `requests` have arrived. */
async function linksAndRequests(name: string, requests: number) {
  return eventually(() => {
    const [upload, ...others] = spans('upload');
    expect(others).toEqual([]);
    const ids = spans(name).map(({ traceId, spanId }) => ({ traceId, spanId }));
    expect(ids).toHaveLength(requests);
    return { links: upload?.links ?? expect.fail('no upload yet'), requests: ids };
  });
}

const bySpan = (a: { spanId: string }, b: { spanId: string }) => a.spanId.localeCompare(b.spanId);

test("an upload's span links to the span of the request that wrote its event, which is in its caller's trace", async () => {
  const api = await startApi(rig.db.url, traced());
  const headers = { traceparent: `00-${traceId}-${callersSpan}-01` };
  expect((await api.request('/audit', { body: anEvent(), headers })).status).toBe(201);
  await rig.drain(traced());
  const { links, requests } = await linksAndRequests('POST /audit', 1);
  expect(links).toEqual(requests);
  expect(links[0]?.traceId).toBe(traceId);
  expect(links[0]?.spanId).not.toBe(callersSpan);
});

test('requests that shared a statement keep their own traces; their batch links to each of them once', async () => {
  const api = await startApi(rig.db.url, traced());
  const events = someEvents(30, { updated_at });
  const unlock = await lockAuditLog(rig.db);
  const { answers } = await sendTogether({ url: api.url, db: rig.db }, events, (body, index) =>
    api.request('/audit', { body, headers: callOf(index) }),
  );
  await unlock();
  await Promise.all(answers);
  const shared = await rig.db.sql`select from auditbox.audit_log group by xmin::text having count(*) > 1`;
  expect(shared).not.toHaveLength(0);
  await api.request('/audit/batch', { body: someEvents(5, { updated_at }), headers: callOf(30) });
  for (const { id, traceparent } of await stored()) {
    const index = events.findIndex((event) => event.id === id);
    expect(traceparent).toContain(traceOf(index === -1 ? 30 : index));
  }
  await rig.drain(traced());
  const { links, requests } = await linksAndRequests('POST /audit', 30);
  expect(links).toHaveLength(31);
  // It ended after the others, so it may come with a later report of the api.
  const batch = await eventually(() => {
    const [span, ...others] = spans('POST /audit/batch');
    expect(others).toEqual([]);
    return span ?? expect.fail('no span of the batch yet');
  });
  expect([...links].sort(bySpan)).toEqual([...requests, { traceId: batch.traceId, spanId: batch.spanId }].sort(bySpan));
});

test('a batch of more requests than a span may have links is exported with 128 links', async () => {
  const api = await startApi(rig.db.url, traced());
  await Promise.all(
    someEvents(150, { updated_at }).map((body, index) => api.request('/audit', { body, headers: callOf(index) })),
  );
  await rig.drain(traced());
  const { links } = await linksAndRequests('POST /audit', 150);
  expect(new Set(links.map(({ spanId }) => spanId)).size).toBe(128);
});

test('without tracing no traceparent is stored', async () => {
  const api = await startApi(rig.db.url);
  await api.request('/audit', { body: anEvent(), headers: callOf(1) });
  await api.request('/audit/batch', { body: someEvents(2), headers: callOf(1) });
  expect((await stored()).map(({ traceparent }) => traceparent)).toEqual([null, null, null]);
});

test.each([
  ['is not sampled', `00-${traceId}-${callersSpan}-00`, null],
  ['is invalid', `00-${'0'.repeat(32)}-${callersSpan}-01`, /^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/],
  ['is endless', `00-${traceId}-${callersSpan}-01${'-x'.repeat(2_000)}`, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/],
  ['is no ASCII', '00-\u00e9', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/],
])(
  "an event whose caller's traceparent %s is stored, and names a span that there is or none",
  async (_how, traceparent, expected) => {
    const api = await startApi(rig.db.url, traced());
    expect((await api.request('/audit', { body: anEvent(), headers: { traceparent } })).status).toBe(201);
    const [row] = await stored();
    expect(row?.traceparent).toEqual(expected === null ? null : expect.stringMatching(expected));
    if (expected === null) return;
    await eventually(() => {
      const [span] = spans('POST /audit');
      expect(row?.traceparent).toBe(`00-${span?.traceId}-${span?.spanId}-01`);
    });
  },
);

test('the trace is no part of the event: not in a repeated request, not in answers, not in the object', async () => {
  const api = await startApi(rig.db.url, traced());
  const event = anEvent({ updated_at });
  const first = await api.request('/audit', { body: event, headers: callOf(1) });
  const again = await api.request('/audit', { body: event, headers: callOf(2) });
  expect([first.status, again.status]).toEqual([201, 200]);
  expect((await api.request('/audit/batch', { body: [event], headers: callOf(3) })).status).toBe(200);
  expect((await stored())[0]?.traceparent).toContain(traceOf(1));
  await rig.drain(traced());
  const answers = [
    '/audit',
    `/audit/${event.id}`,
    '/audit/export',
    '/audit/export?format=csv',
    '/audit/objects/teams/42',
  ];
  for (const path of answers) {
    const { status, text } = await api.request(path);
    expect([path, status]).toEqual([path, 200]);
    expect(text).toContain(event.id);
    expect(text).not.toContain('traceparent');
    expect(text).not.toContain(traceOf(1));
  }
  const object = JSON.stringify(await rig.bucket.objects());
  expect(object).toContain(event.id);
  expect(object).not.toContain('traceparent');
  expect(object).not.toContain(traceOf(1));
});

test('an invalid traceparent that another writer stored is left out of the links', async () => {
  await rig.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, traceparent)
    values ('ana', 'updated', 'teams', '42', 'nonsense'),
      ('ana', 'updated', 'teams', '42', ${`00-${traceId}-${callersSpan}-01`})`;
  await rig.drain(traced());
  expect((await linksAndRequests('POST /audit', 0)).links).toEqual([{ traceId, spanId: callersSpan }]);
});

test('traces that cannot be read delay no export', async () => {
  await rig.db.store(someEvents(3));
  await rig.db.sql`alter table auditbox.audit_log rename column traceparent to gone`;
  await rig.drain(traced());
  expect(await rig.db.states()).toEqual({ done: 3 });
  expect((await linksAndRequests('POST /audit', 0)).links).toEqual([]);
});

function traceOf(index: number): string {
  return `${traceId.slice(0, 28)}${index.toString(16).padStart(4, '0')}`;
}

function callOf(index: number): Record<string, string> {
  return { traceparent: `00-${traceOf(index)}-${callersSpan}-01` };
}
