import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type Metrics, readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { type App, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { afterAll, expect, test } from 'vitest';

/* Most tests wait until an exporter reads values from the database again, which it keeps for some seconds. So they run at the same time. */

const rigs: ExporterFixture[] = [];
afterAll(async () => {
  for (const rig of rigs) await rig.close();
});

async function openRig(): Promise<ExporterFixture> {
  const rig = await createExporterFixture();
  rigs.push(rig);
  return rig;
}

const refuse = (rig: ExporterFixture, status: number, code: string) => {
  rig.proxy.intervene = { before: () => ({ status, code }) };
};

/** Gauges from the database are cached for some seconds, so tests wait for their values. */
async function shows(app: App, expected: (metrics: Metrics) => void): Promise<void> {
  const { port } = await app.event('exporter-running');
  await eventually(async () => expected(await readMetrics(`http://127.0.0.1:${port}`)));
}

test('a store that invents error codes does not create endless series', async () => {
  const rig = await openRig();
  let asked = 0;
  rig.proxy.intervene = { before: () => ({ status: 500, code: `MadeUp${++asked}` }) };
  await rig.db.store(someEvents(1));
  await shows(rig.start([], { EXPORT_RETRY_CAP_MS: '10' }), (metrics) => {
    expect(metrics.value('auditbox_destination_errors_total{class="transient",code="other"}')).toBeGreaterThan(5);
    expect(metrics.text.match(/^auditbox_destination_errors_total/gm)?.length).toBeLessThanOrEqual(51);
  });
});

// Alone, because a transaction that is held open holds up the seals of every database of the server.
test('the age of a transaction that is held open is shown, and the difference of the clocks', async () => {
  const rig = await openRig();
  const app = rig.start();
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const held = rig.db.sql.begin('isolation level repeatable read', async (tx) => {
    await tx`select 1`;
    await go;
  });
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_database_horizon_held_seconds')).toBeGreaterThan(2);
    // The same machine.
    expect(Math.abs(metrics.value('auditbox_database_clock_skew_seconds') ?? 9)).toBeLessThan(1);
  });
  letGo();
  await held;
  await shows(app, (metrics) => expect(metrics.value('auditbox_database_horizon_held_seconds')).toBeLessThan(2));
});

test.concurrent('exported rows, objects and bytes are counted, and each stage is timed', async () => {
  const rig = await openRig();
  await rig.db.store(someEvents(7, { updated_at: '2026-07-03T11:00:00Z' }));
  const app = rig.start();
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_export_rows_total')).toBe(7);
    expect(metrics.value('auditbox_export_objects_total')).toBe(1);
    expect(metrics.value('auditbox_export_attempts_total{outcome="done"}')).toBe(1);
    for (const stage of ['seal', 'render', 'compress', 'upload', 'mark'])
      expect(metrics.value(`auditbox_export_stage_seconds_count{stage="${stage}"}`)).toBe(1);
    expect(metrics.value('auditbox_outbox_oldest_unexported_age_seconds')).toBe(0);
    expect(metrics.value('auditbox_outbox_pending_rows')).toBe(0);
  });
  const [object] = await rig.bucket.objects();
  const [stored] = await rig.db
    .sql`select ndjson_bytes::int as bytes, object_bytes::int as "objectBytes" from auditbox.delivery`;
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_export_ndjson_bytes_total')).toBe(Buffer.byteLength(object?.text ?? ''));
    expect(metrics.value('auditbox_export_ndjson_bytes_total')).toBe(stored?.bytes);
    expect(metrics.value('auditbox_export_object_bytes_total')).toBe(stored?.objectBytes);
  });
});

test.concurrent('rows of an hour that ended long ago count as late; rows of an hour that is not over do not', async () => {
  const rig = await openRig();
  // A few minutes ahead, as the database allows: the hour of now may end before the export.
  const [soon] = await rig.db.sql`
    select to_char((clock_timestamp() + interval '4 minutes') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at`;
  await rig.db.store([...someEvents(3, { updated_at: '2026-07-03T11:00:00Z' }), anEvent({ updated_at: soon?.at })]);
  await shows(rig.start(), (metrics) => {
    expect(metrics.value('auditbox_export_rows_total')).toBe(4);
    expect(metrics.value('auditbox_export_late_rows_total')).toBe(3);
  });
});

test.concurrent('rows that linger are pending; their age counts from when the database recorded the event', async () => {
  const rig = await openRig();
  await rig.db.store(someEvents(5, { updated_at: '2026-07-03T11:00:00Z' }));
  await moveRecordedTime(rig, "- interval '1 hour'", 'where id = (select min(id) from auditbox.outbox)');
  const app = rig.start([], { EXPORT_LINGER_MS: '86400000' });
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_outbox_pending_rows')).toBe(5);
    expect(metrics.value('auditbox_outbox_oldest_pending_age_seconds')).toBeGreaterThanOrEqual(3600);
    expect(metrics.value('auditbox_outbox_oldest_pending_age_seconds')).toBeLessThan(3720);
  });
});

test.concurrent('while the store is down, rows are sealed, not pending, and the age of the oldest unexported row grows', async () => {
  const rig = await openRig();
  refuse(rig, 503, 'SlowDown');
  await rig.db.store(someEvents(6, { updated_at: '2026-07-03T11:00:00Z' }));
  await moveRecordedTime(rig, "- interval '1 hour'");
  const app = rig.start([], { EXPORT_RETRY_CAP_MS: '100' });
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_outbox_pending_rows')).toBe(0);
    const unfinished = ['sealed', 'sending'].map(
      (state) => metrics.value(`auditbox_deliveries{destination="s3",state="${state}"}`) ?? -9,
    );
    expect(unfinished.reduce((sum, count) => sum + count)).toBe(1);
    expect(metrics.value('auditbox_outbox_oldest_unexported_age_seconds')).toBeGreaterThanOrEqual(3600);
    expect(metrics.value('auditbox_destination_errors_total{class="transient",code="SlowDown"}')).toBeGreaterThan(1);
    expect(metrics.value('auditbox_destination_closed_seconds{destination="s3"}')).toBeGreaterThan(0);
    expect(metrics.value('auditbox_destination_blocked{destination="s3"}')).toBe(0);
  });
});

test.concurrent('the metrics tell a blocked destination from one that is down, with the time since when', async () => {
  const rig = await openRig();
  refuse(rig, 403, 'AccessDenied');
  await rig.db.store(someEvents(1));
  await shows(rig.start([], { EXPORT_RETRY_CAP_MS: '100' }), (metrics) => {
    expect(metrics.value('auditbox_destination_blocked{destination="s3"}')).toBe(1);
    expect(metrics.value('auditbox_destination_blocked_seconds{destination="s3"}')).toBeGreaterThan(0);
    expect(metrics.value('auditbox_destination_errors_total{class="blocked",code="AccessDenied"}')).toBeGreaterThan(0);
  });
});

test.concurrent('failed deliveries, their rows, and rejected rows are counted by destination', async () => {
  const rig = await openRig();
  refuse(rig, 400, 'EntityTooLarge');
  const broken = anEvent({ updated_at: '2026-07-03T11:00:00Z' });
  await rig.db.store([...someEvents(4, { updated_at: '2026-07-03T11:00:00Z' }), broken]);
  await rig.db.sql.unsafe('alter table auditbox.audit_log disable trigger audit_log_append_only').simple();
  await rig.db.sql`delete from auditbox.audit_log where id = ${broken.id}`;
  await shows(rig.start(), (metrics) => {
    expect(metrics.value('auditbox_deliveries{destination="s3",state="failed"}')).toBe(1);
    expect(metrics.value('auditbox_delivery_rows{destination="s3",state="failed"}')).toBe(5);
    expect(metrics.value('auditbox_rejected_rows{destination="s3"}')).toBe(1);
    expect(metrics.value('auditbox_destination_errors_total{class="permanent",code="EntityTooLarge"}')).toBe(1);
    // This age is only of rows that need no person. The destination's numbers are of everything.
    expect(metrics.value('auditbox_outbox_oldest_unexported_age_seconds')).toBe(0);
    // A failed delivery has its rejected row too, which counts once.
    expect(metrics.value('auditbox_destination_unexported_rows{destination="s3"}')).toBe(5);
    expect(metrics.value('auditbox_destination_oldest_unexported_age_seconds{destination="s3"}')).toBeGreaterThan(0);
  });
});

test.concurrent.each(['failed', 'rejected'])(
  'with nothing but %s events the number of missing events is not 0',
  async (state) => {
    const rig = await openRig();
    const events = someEvents(2, { updated_at: '2026-07-03T11:00:00Z' });
    await rig.db.store(events);
    // The other events of a rejected one arrive.
    if (state === 'rejected') await rig.db.store(someEvents(3, { updated_at: '2026-07-03T11:00:00Z' }));
    if (state === 'failed') refuse(rig, 400, 'EntityTooLarge');
    else {
      await rig.db.sql.unsafe('alter table auditbox.audit_log disable trigger audit_log_append_only').simple();
      await rig.db.sql`delete from auditbox.audit_log where id in ${rig.db.sql(events.map(({ id }) => id))}`;
    }
    await shows(rig.start(), (metrics) => {
      expect(metrics.value('auditbox_delivery_rows{destination="s3",state="failed"}')).toBe(state === 'failed' ? 2 : 0);
      expect(metrics.value('auditbox_rejected_rows{destination="s3"}')).toBe(state === 'rejected' ? 2 : 0);
      expect(metrics.value('auditbox_destination_unexported_rows{destination="s3"}')).toBe(2);
      expect(metrics.value('auditbox_destination_oldest_unexported_age_seconds{destination="s3"}')).toBeGreaterThan(0);
    });
    const status = spawnApp('exporter/src/status-main.ts', { DATABASE_URL: rig.env.DATABASE_URL ?? '' }, ['--json']);
    expect(await status.ended).toBe(1);
    const { destinations } = JSON.parse(status.output());
    expect(destinations).toMatchObject([{ destination: 's3', behind: { rows: 2 }, stuck: [{ kind: state }] }]);
    expect(destinations[0].behind.oldestAgeS).toBeGreaterThan(0);
  },
);

test.concurrent('a row that was recorded ahead of the clock is an age too, and is exported at once', async () => {
  const rig = await openRig();
  refuse(rig, 503, 'SlowDown');
  await rig.db.store(someEvents(3, { updated_at: '2026-07-03T11:00:00Z' }));
  await moveRecordedTime(rig, "+ interval '1 day'");
  const app = rig.start([], { EXPORT_LINGER_MS: '600000', EXPORT_RETRY_CAP_MS: '100' });
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_delivery_oldest_age_seconds{destination="s3"}')).toBeGreaterThan(80_000);
    expect(metrics.value('auditbox_outbox_oldest_unexported_age_seconds')).toBeGreaterThan(80_000);
  });
});

test.concurrent('an exporter whose clock is an hour ahead reports it', async () => {
  const rig = await openRig();
  const hourAhead = 'data:text/javascript,Date.now=(now=>()=>now()+36e5)(Date.now)';
  const app = rig.start([], { NODE_OPTIONS: `--import=${hourAhead}` });
  await shows(app, (metrics) => expect(metrics.value('auditbox_database_clock_skew_seconds')).toBeLessThan(-3500));
});

test.concurrent('while the database is down, scrapes are answered, report it as down, and omit old values', async () => {
  const rig = await openRig();
  const url = new URL(rig.env.DATABASE_URL ?? '');
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  const app = rig.start([], { DATABASE_URL: url.href });
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_database_up')).toBe(1);
    expect(metrics.value('auditbox_outbox_pending_rows')).toBe(0);
    expect(metrics.value('auditbox_deliveries{destination="s3",state="sealed"}')).toBe(0);
  });
  await proxy.down();
  await shows(app, (metrics) => {
    expect(metrics.value('auditbox_database_up')).toBe(0);
    for (const gone of ['auditbox_outbox_pending_rows', 'auditbox_outbox_oldest_unexported_age_seconds'])
      expect(metrics.value(gone)).toBeUndefined();
    expect(metrics.text).not.toMatch(/^auditbox_deliveries\{/m);
    expect(metrics.value('auditbox_export_rows_total')).toBe(0);
  });
  await proxy.up();
  await shows(app, (metrics) => expect(metrics.value('auditbox_outbox_pending_rows')).toBe(0));
});

/** As if the rows had been recorded at another time. */
async function moveRecordedTime(rig: ExporterFixture, by: string, which = ''): Promise<void> {
  await rig.db.sql
    .unsafe(
      `alter table auditbox.outbox disable trigger outbox_no_update;
       update auditbox.outbox set recorded_at = recorded_at ${by} ${which};
       alter table auditbox.outbox enable always trigger outbox_no_update`,
    )
    .simple();
}
