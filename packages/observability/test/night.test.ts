import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { InsteadOf } from '@auditbox/testing/proxies/s3-proxy.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readChapterOf, type } from './at-night.ts';

/*
 * A night of somebody who knows nothing: the metric of the alert is up, its address leads to a chapter of the runbook, the runbook
 * begins with `status`, and what `status` prints must name the cause and the action that ends the alert.
 */

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

async function startExporter(answer: () => InsteadOf | undefined) {
  rig.proxy.intervene = { before: ({ method }) => (method === 'PUT' ? answer() : undefined) };
  const exporter = rig.start([], { EXPORT_RETRY_CAP_MS: '2000' });
  const { port } = await exporter.event('exporter-running');
  await rig.db.store(someEvents(3));
  return async (metric: string) => {
    const { text } = await readMetrics(`http://127.0.0.1:${port}`);
    return text.split('\n').find((line) => line.startsWith(metric));
  };
}

test('wrong credentials: status names the cause and the setting, and the alert ends without a restart', async () => {
  let isWrong = true;
  const read = await startExporter(() => (isWrong ? { status: 403, code: 'InvalidAccessKeyId' } : undefined));
  await eventually(async () => expect(await read('auditbox_destination_blocked{destination="s3"}')).toMatch(/ 1$/));
  expect(readChapterOf('AuditboxExportBlocked')).toContain('1. Run `npm run status`.');
  expect(readChapterOf('AuditboxExportBlocked')).toContain('[Wrong credentials](#wrong-credentials)');
  await eventually(async () => {
    const { code, output } = await type('npm run status', rig.env);
    expect(output).toMatch(
      /It refuses everything: .*AWS_ACCESS_KEY_ID.*\n.*→ Fix what it names\. Exporters go on by themselves/,
    );
    expect(code).toBe(1);
  });
  isWrong = false;
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  await eventually(async () => expect(await read('auditbox_destination_blocked{destination="s3"}')).toMatch(/ 0$/));
  expect((await type('npm run status', rig.env)).code).toBe(0);
});

test('a failed delivery: status names the cause and a command, and that command ends the alert', async () => {
  let isTooLarge = true;
  const tooLarge = { status: 400, code: 'EntityTooLarge' };
  const read = await startExporter(() => (isTooLarge ? tooLarge : undefined));
  const failed = 'auditbox_deliveries{destination="s3",state="failed"}';
  await eventually(async () => expect(await read(failed)).toMatch(/ 1$/));
  expect(readChapterOf('AuditboxDeliveriesFailed')).toContain('(#failed-deliveries-and-rejected-rows)');
  const { code, output } = await type('npm run status', rig.env);
  expect(code).toBe(1);
  const [, command = ''] = /failed\. The oldest: .*size.*\n.*→ Fix the cause, then run `([^`]+)`/.exec(output) ?? [];
  expect(command, output).toBe('npm run exporter -- --replay-failed');
  isTooLarge = false;
  expect((await type(command, rig.env)).code).toBe(0);
  await eventually(async () => expect(await read(failed)).toMatch(/ 0$/));
  expect((await type('npm run status', rig.env)).code).toBe(0);
  expect(await rig.db.states()).toEqual({ done: 3 });
});
