import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Destination, Outcome } from '@auditbox/destination-kit/destination.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { guardDestination } from '../src/destinations/configured/guard-destination.ts';
import { createHttpClient } from '../src/destinations/http/http-client.ts';
import { readOutcome, readThrown } from '../src/export/requests/read-outcome.ts';

/* Destinations and receivers that break every rule hurt nobody else, and what they say can be recorded. */

const { signal } = new AbortController();

describe('an outcome', () => {
  test.each<[string, unknown, Outcome]>([
    ['taken, and more', { kind: 'taken', rejected: [1] }, { kind: 'taken' }],
    [
      'a retry with texts that Postgres does not store',
      { kind: 'retry', code: 'a'.repeat(99), reason: 'nul\0 \ud800', afterMs: Number.NaN },
      { kind: 'retry', code: `${'a'.repeat(64)}…`, reason: 'nul\ufffd \ufffd' },
    ],
    [
      'a retry with an object as its reason',
      { kind: 'retry', code: 5, reason: { a: 1 }, afterMs: '9' },
      { kind: 'retry', code: '5', reason: '{"a":1}' },
    ],
    [
      'a retry with a BigInt',
      { kind: 'retry', code: 'x', reason: 10n, afterMs: -1 },
      { kind: 'retry', code: 'x', reason: '10' },
    ],
    [
      'a block without a reason',
      { kind: 'blocked' },
      { kind: 'blocked', code: 'The destination gave no reason.', reason: 'The destination gave no reason.' },
    ],
    [
      'a row that is refused twice',
      { kind: 'refused', rejected: [{ index: 1 }, { index: 1, reason: 'b' }] },
      { kind: 'refused', rejected: [{ index: 1, reason: 'b' }] },
    ],
  ])('%s is recorded', (_what, returned, outcome) => {
    expect(readOutcome(returned, 2)).toEqual(outcome);
  });

  test.each([
    undefined,
    null,
    5,
    {},
    { kind: 'ok' },
    { kind: 'taken-but' },
    { kind: 'refused', rejected: [] },
    { kind: 'refused', rejected: 'all' },
    { kind: 'refused', rejected: [null] },
    { kind: 'refused', rejected: [{ index: 2, reason: 'a' }] },
    { kind: 'refused', rejected: [{ index: 0.5, reason: 'a' }] },
  ])('%j is not one: the request is sent again', (returned) => {
    expect(() => readOutcome(returned, 2)).toThrow(TypeError);
  });

  test.each([
    [new Error('no\0'), 'Error', 'no\ufffd'],
    [Object.assign(new Error('no'), { code: 'ECONNRESET' }), 'ECONNRESET', 'no'],
    ['text', 'Error', 'text'],
    [undefined, 'Error', 'The destination gave no reason.'],
    [Symbol('s'), 'Error', 'Symbol(s)'],
    [Object.create(null), 'Error', '{}'],
    [
      Object.assign({}, { message: { toJSON: () => 5n } }),
      'Error',
      'The destination gave a reason that is not a text.',
    ],
  ])('that was thrown is a retry: %#', (thrown, code, reason) => {
    expect(readThrown(thrown)).toEqual({ kind: 'retry', code, reason });
  });
});

describe('a guarded destination', () => {
  const honest: Destination = {
    limits: { maxRows: 1, maxBytes: 1, maxRowBytes: 1 },
    deliver: async () => ({ kind: 'taken' }),
    check: async () => [],
    close: async () => {},
  };
  const guard = (part: object) => guardDestination({ ...honest, ...part }, { copiesRows: true, stopMs: 10 });
  const throwAtOnce = () => {
    throw new Error('At once.');
  };

  test('never throws at once', async () => {
    const broken = guard({ deliver: throwAtOnce, check: throwAtOnce, close: throwAtOnce });
    const request = { key: 'k', batch: '1', rows: [] };
    const calls = [() => broken.deliver(request, signal), () => broken.check(signal), () => broken.close()];
    for (const call of calls) await expect(call()).rejects.toThrow('At once.');
  });

  test('has a check that ends, whatever it returns', async () => {
    const hung = guard({ check: () => new Promise(() => {}) });
    const over = new AbortController();
    const findings = hung.check(over.signal);
    over.abort();
    expect(await findings).toEqual([{ says: 'The check did not end in time.', stopsDelivery: true }]);
    await expect(guard({ check: () => 5 }).check(signal)).rejects.toThrow('no list');
    expect(await guard({ check: () => [null, { says: 7, stopsDelivery: 'yes' }] }).check(signal)).toEqual([
      { says: 'The check found something and did not say what.', stopsDelivery: false },
      { says: '7', stopsDelivery: false },
    ]);
    await guard({ close: () => new Promise(() => {}) }).close();
  });

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, '5', undefined])(
    'has rows of a length, and %s is not a length',
    (bytes) => {
      const { limits } = guard({ limits: { ...honest.limits, rowBytes: () => bytes } });
      expect(() => limits.rowBytes?.({} as never)).toThrow('must return a number of bytes');
    },
  );
});

describe('an answer', () => {
  test.each(['gzip', 'deflate', 'br', 'zstd'])(
    'that is compressed by %s, though nobody asked, is read',
    async (encoding) => {
      const compress = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };
      const receiver = await startHttpReceiver();
      const body = compress[encoding as 'gzip']('{"code":0}');
      receiver.answer = () => ({ status: 200, headers: { 'content-encoding': encoding }, body });
      const client = createHttpClient();
      expect((await client.send({ url: receiver.url }, signal)).text).toBe('{"code":0}');
      expect(receiver.requests[0]?.headers['accept-encoding']).toBe('identity');
      receiver.answer = () => ({ status: 200, headers: { 'content-encoding': encoding }, body: 'not compressed' });
      expect((await client.send({ url: receiver.url }, signal)).text).toBe('not compressed');
      client.close();
      await receiver.close();
    },
  );
});

describe('an exporter', () => {
  let rig: DestinationFixture;
  beforeEach(async () => {
    rig = await createDestinationFixture();
  });
  afterEach(() => rig.close());
  const events = someEvents(3, { updated_at: '2026-07-03T11:46:50Z' });
  const webhook = () => ({
    ...{ name: 'soc', type: 'webhook', url: rig.receiver.url, since: 'all' },
    secrets: [`whsec_${Buffer.alloc(32).toString('base64')}`],
  });
  const settled = (name: string) => eventually(async () => expect(await rig.deliveries(name)).toEqual(['done']));

  async function module(name: string, source: string): Promise<object> {
    const file = join(rig.folder, `${name}.mjs`);
    await writeFile(file, source);
    return { name, module: file, since: 'all', timeoutMs: 100, options: rig.receiver.url };
  }

  const makes = (parts: string) => `
    const limits = { maxRows: 10, maxBytes: 1e6, maxRowBytes: 1e6 };
    const taken = { kind: 'taken' };
    export default (url) => ({ limits, deliver: async () => taken, check: async () => [], close: async () => {}, ${parts} });`;

  test('keeps what a receiver says with U+0000 and half of a surrogate pair, and goes on', async () => {
    rig.receiver.answer = () => ({ status: 422, body: 'bad\0 \\ud800 event' });
    await rig.db.store(events);
    await rig.serve([webhook()]);
    await settled('soc');
    const reasons = await rig.db.sql`select reason from auditbox.rejection where destination = 'soc'`;
    expect(reasons).toHaveLength(3);
    expect(reasons[0]?.reason).toContain('bad\ufffd');
  });

  test('goes on exporting whatever a module throws, returns or never does', async () => {
    await rig.db.store(events);
    const modules = await Promise.all([
      module(
        'throws',
        makes('deliver() { throw undefined; }, check() { throw Object.create(null); }, close() { throw 1; }'),
      ),
      module('nothing', makes('deliver() {}, check() {}, close() {}')),
      module(
        'hangs',
        makes(
          'deliver: () => new Promise(() => {}), check: () => new Promise(() => {}), close: () => new Promise(() => {})',
        ),
      ),
      module('length', makes('limits: { ...limits, rowBytes() { throw new Error("No length."); } }')),
      module(
        'odd',
        makes('deliver: async () => ({ kind: "refused", rejected: [{ index: 0, reason: 10n }, { index: 0 }] })'),
      ),
    ]);
    const app = await rig.serve([...modules, webhook()]);
    await settled('soc');
    await settled('odd');
    await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done']));
    await eventually(async () => {
      const rows = await rig.db.sql`select destination, last_error from auditbox.delivery where last_error is not null`;
      expect(Object.fromEntries(rows.map(({ destination, last_error }) => [destination, last_error]))).toMatchObject({
        throws: 'The destination gave no reason.',
        nothing: 'The destination returned no outcome.',
        hangs: 'No answer within 100 ms.',
        length: 'No length.',
      });
    });
    app.signal('SIGTERM');
    expect(await app.ended).toBe(0);
  });

  test('sends a module the same rows again, whatever it did to the ones that it got', async () => {
    const seen = makes(`deliver: async ({ key, rows }) => {
      const lines = rows.map(({ line }) => line);
      await fetch(url, { method: 'POST', body: JSON.stringify(lines) });
      for (const row of rows) row.line = 'changed';
      rows.length = 0;
      return lines.length > 1 ? { kind: 'too-large' } : taken;
    }`);
    await rig.db.store(events);
    await rig.serve([await module('mutates', seen)]);
    await settled('mutates');
    const lines = rig.receiver.requests.flatMap(({ body }) => JSON.parse(body) as string[]);
    expect(lines.length).toBeGreaterThan(3);
    expect(lines).not.toContain('changed');
    expect(new Set(lines.map((line) => JSON.parse(line).id))).toEqual(new Set(events.map(({ id }) => id)));
  });
});
