import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { signalTwice } from '@auditbox/testing/servers/signal-twice.ts';
import type { App } from '@auditbox/testing/servers/spawn-app.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: ExporterFixture;
const events = someEvents(10, { updated_at: '2026-07-03T11:46:50Z' });
const ids = events.map(({ id }) => id);
const isUpload = ({ method, path }: { method: string; path: string }) =>
  method === 'PUT' && path.includes('.ndjson.gz');

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

/** Resolves when the first upload reaches the given point. The exporter gets no answer. */
function holdUpload(point: 'before' | 'after'): Promise<void> {
  return new Promise((resolve) => {
    rig.proxy.intervene = {
      [point]: (seen: Parameters<typeof isUpload>[0]) => {
        if (!isUpload(seen)) return undefined;
        resolve();
        return new Promise<never>(() => {});
      },
    };
  });
}

async function kill(app: App): Promise<void> {
  app.signal('SIGKILL');
  expect(await app.ended).toBe('SIGKILL');
}

test('SIGKILL after the upload and before the mark: one object, once', async () => {
  const reached = holdUpload('after');
  const app = rig.start();
  await reached;
  await kill(app);
  expect(await rig.bucket.objects()).toHaveLength(1);
  expect(await rig.db.states()).toEqual({ sending: 10 });
  rig.proxy.intervene = {};
  await rig.endLeases();
  const next = rig.start();
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
  expect(await rig.bucket.objects()).toHaveLength(1);
  // Found, not written again: not every store honours If-None-Match.
  expect(rig.proxy.requests.filter(isUpload)).toHaveLength(1);
  expect((await next.event('batch-exported')).attempt).toBe(2);
});

test('SIGKILL before the store receives the upload: one object, once', async () => {
  const reached = holdUpload('before');
  const app = rig.start();
  await reached;
  await kill(app);
  expect(await rig.bucket.objects()).toEqual([]);
  rig.proxy.intervene = {};
  await rig.endLeases();
  rig.start();
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
});

test('a batch whose sealer died is exported as it was sealed', async () => {
  const limits = {
    grain: 'hour',
    byTenant: false,
    maxRows: 100,
    maxBytes: 1_000_000,
    lingerMs: 0,
    maxBatches: 10,
  } as const;
  await sealBatches(rig.db, limits);
  const more = someEvents(5, { updated_at: '2026-07-03T11:50:00Z' });
  await rig.db.store(more);
  await rig.drain();
  await expectExactlyOnce(rig.bucket, [...ids, ...more.map(({ id }) => id)]);
  expect((await rig.bucket.objects()).map(({ events: rows }) => rows.length).sort()).toEqual([10, 5]);
});

test('an exporter stopped past its lease changes nothing when it wakes and continues the upload', async () => {
  const { promise: woken, resolve: letGo } = Promise.withResolvers<void>();
  const { promise: reached, resolve: tell } = Promise.withResolvers<void>();
  rig.proxy.intervene = {
    before: async (seen) => {
      if (!isUpload(seen)) return undefined;
      tell();
      await woken;
      return undefined;
    },
  };
  const stale = rig.start([], { S3_REQUEST_TIMEOUT_MS: '60000', EXPORT_LEASE_MS: '120000' });
  await reached;
  stale.signal('SIGSTOP');
  rig.proxy.intervene = {};
  const [{ token }] = await rig.db.sql<[{ token: string }]>`select lease_token as token from auditbox.delivery`;
  const other = rig.start();
  await eventually(async () => {
    // Repeatedly, because a statement that extends the lease may have been in flight when the process was stopped.
    await rig.db.sql`update auditbox.delivery set leased_until = now() where lease_token = ${token}`;
    expect(await rig.db.states()).toEqual({ done: 10 });
  });
  const [before] = await rig.db.sql`select * from auditbox.delivery`;
  stale.signal('SIGCONT');
  letGo();
  await stale.event('lease-lost');
  expect((await rig.db.sql`select * from auditbox.delivery`)[0]).toEqual(before);
  // The loss may be noticed before the store answers.
  await eventually(() => expect(rig.proxy.answers.filter(isUpload).map(({ status }) => status)).toEqual([200, 412]));
  await expectExactlyOnce(rig.bucket, ids);
  other.signal('SIGTERM');
  await other.ended;
});

test('backends killed while batches are encoded and marked: nothing fails, nothing is lost or doubled', async () => {
  const many = Array.from({ length: 6 }, (_, hour) =>
    someEvents(1_500, { updated_at: `2026-07-04T0${hour}:00:00Z` }),
  ).flat();
  for (let at = 0; at < many.length; at += 1_500) await rig.db.store(many.slice(at, at + 1_500));
  // Leases expire soon, so that another exporter gets a dead one's batches while the test waits.
  const settings = { EXPORT_LEASE_MS: '2000', S3_REQUEST_TIMEOUT_MS: '1000', EXPORT_BATCH_MAX_ROWS: '300' };
  let app = rig.start([], settings);
  const restart = () => {
    void app.ended.then((how) => {
      // Fail-stop: the driver does not survive every lost backend. The supervisor starts the process again.
      if (how === 'SIGKILL' || how === 0) return;
      app = rig.start([], settings);
      restart();
    });
  };
  restart();
  let killed = 0;
  // Until every batch is done.
  while ((await rig.db.states()).done !== 9_010 && killed < 40) {
    const kills = await rig.db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'auditbox exporter' and datname = current_database() order by random() limit 1`;
    killed += kills.length;
  }
  expect(killed).toBeGreaterThan(10);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 9_010 }));
  await expectExactlyOnce(rig.bucket, [...ids, ...many.map(({ id }) => id)]);
});

test('SIGTERM finishes the upload in flight, starts no other and exits with 0', async () => {
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const { promise: reached, resolve: tell } = Promise.withResolvers<void>();
  rig.proxy.intervene = {
    before: async (seen) => {
      if (!isUpload(seen)) return undefined;
      tell();
      await go;
      return undefined;
    },
  };
  const app = rig.start([], { EXPORT_CONCURRENCY: '1' });
  await reached;
  app.signal('SIGTERM');
  await app.event('stopping');
  await rig.db.store(someEvents(1));
  letGo();
  expect(await app.ended).toBe(0);
  // A seal that runs when the signal comes may take the new row. Its batch then waits for the next exporter.
  expect(await rig.db.states()).toSatisfy(({ done, pending = 0, sealed = 0 }) => done === 10 && pending + sealed === 1);
  expect(rig.proxy.requests.filter(isUpload)).toHaveLength(1);
});

test('a batch whose upload outlasts the grace period is given back and costs no attempt', async () => {
  const reached = holdUpload('before');
  const app = rig.start();
  await reached;
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  const [batch] = await rig.db.sql`select state, attempts, lease_token from auditbox.delivery`;
  expect(batch).toEqual({ state: 'sealed', attempts: 0, lease_token: null });
});

test('two signals within a second are one: npm forwards the Ctrl-C that the process has already', async () => {
  const reached = holdUpload('before');
  const app = rig.start();
  await reached;
  signalTwice(app.pid, 'SIGINT');
  expect(await app.ended).toBe(0);
  expect(app.log.map(({ event }) => event)).not.toContain('second-signal');
  const [batch] = await rig.db.sql`select state, lease_token from auditbox.delivery`;
  expect(batch).toEqual({ state: 'sealed', lease_token: null });
});

test('a second signal, more than a second later, ends the process at once; when its lease is over, nothing is lost', async () => {
  const reached = holdUpload('before');
  const app = rig.start();
  await reached;
  app.signal('SIGINT');
  await eventually(() => {
    app.signal('SIGINT');
    expect(app.log.map(({ event }) => event)).toContain('second-signal');
  });
  expect(await app.ended).toBe(1);
  rig.proxy.intervene = {};
  await rig.endLeases();
  rig.start();
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
});
