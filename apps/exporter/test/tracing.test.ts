import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
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

test('each attempt at a batch is a trace with its upload, also an attempt that fails', async () => {
  let asked = 0;
  rig.proxy.intervene = {
    before: ({ path }) => {
      if (!path.includes('.ndjson.gz')) return undefined;
      asked += 1;
      return asked === 1 ? { status: 503, code: 'SlowDown' } : undefined;
    },
  };
  await rig.db.store(someEvents(3));
  rig.start([], { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, EXPORT_RETRY_CAP_MS: '50' });
  await eventually(() => {
    const attempts = collector.spans.filter(({ name }) => name === 'export batch');
    expect(attempts.map(({ attributes }) => Number(attributes['auditbox.attempt']))).toEqual([1, 2]);
    const [refused, done] = attempts.map(({ spanId }) =>
      collector.spans.filter(({ parentSpanId }) => parentSpanId === spanId),
    );
    expect(refused?.map(({ name }) => name)).toEqual(['upload']);
    expect(refused?.[0]).toMatchObject({ service: 'auditbox-exporter', status: { code: 2, message: 'SlowDown' } });
    expect(done?.[0]?.attributes['auditbox.outcome']).toBe('stored');
  });
});
