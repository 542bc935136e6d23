import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import type { Destination, Row } from '@auditbox/destination-kit/destination.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { openDestination } from './opened-destination.ts';

/* The suite that authors of destinations run: our own destinations keep its contract, and it finds those that do not. */

let receiver: HttpReceiver;
let bucket: TestBucket;
let isAway = false;
let isSilent = false;
beforeAll(async () => {
  receiver = await startHttpReceiver();
  receiver.answer = () => (isSilent ? 'hang' : { status: isAway ? 503 : 200 });
  bucket = await createTestBucket(inject('s3Endpoint'));
});
afterAll(() => receiver.close());

const outage = {
  begin: async () => {
    isAway = true;
  },
  end: async () => {
    isAway = false;
  },
};

const silence = {
  begin: async () => {
    isSilent = true;
  },
  end: async () => {
    isSilent = false;
  },
};

function suiteOf(name: string, parts: Parameters<typeof conformanceTests>[0]): void {
  describe(name, () => {
    for (const { name: what, run } of conformanceTests(parts)) test(what, run);
  });
}

const secrets = [`whsec_${Buffer.alloc(32).toString('base64')}`];
suiteOf('webhook', {
  open: () => openDestination({ type: 'webhook', url: receiver.url, secrets, body: 'ndjson' }),
  received: async () => receiver.requests.map(({ body }) => body),
  outage,
  silence,
});

const folder = mkdtempSync(join(tmpdir(), 'auditbox-conformance-'));
suiteOf('file', {
  open: () => openDestination({ type: 'file', folder }),
  received: async () => readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')),
});

suiteOf('s3', {
  open: () =>
    openDestination({
      ...{ type: 's3', bucket: bucket.name, endpoint: inject('s3Endpoint'), forcePathStyle: true },
      accessKeyId: testCredentials.accessKeyId,
      secretAccessKey: testCredentials.secretAccessKey,
    }),
  received: async () => (await bucket.objects()).map(({ text }) => text),
});

describe('a destination that breaks the contract is found', () => {
  let stored: string[];
  let stops: AbortController;
  beforeEach(() => {
    stored = [];
    stops = new AbortController();
  });
  afterEach(() => {
    stops.abort();
    isAway = false;
    isSilent = false;
  });
  const taken = { kind: 'taken' } as const;
  const store = (rows: readonly Row[]) => stored.push(...rows.map(({ line }) => line));
  /** It is done when its receiver has the lines. */
  const honest: Destination = {
    limits: { maxRows: 10, maxBytes: 1_000_000, maxRowBytes: 100_000 },
    async deliver({ rows }, signal) {
      signal.throwIfAborted();
      if (isAway) return { kind: 'retry', code: '503', reason: 'It is away.' };
      if (isSilent) await once(signal, 'abort').then(() => signal.throwIfAborted());
      // Its receiver takes no more.
      if (Buffer.byteLength(rows.map(({ line }) => line).join('')) > 1_000_000) return { kind: 'too-large' };
      store(rows);
      return taken;
    },
    check: async () => [],
    close: async () => {},
  };

  async function failuresOf(part: Partial<Record<keyof Destination, unknown>>): Promise<string[]> {
    const destination = { ...honest, ...part } as Destination;
    const parts = { open: async () => destination, received: async () => stored, outage, silence, patienceMs: 5_000 };
    const tests = conformanceTests(parts);
    const failures: string[] = [];
    for (const { name, run } of tests) await run().catch(() => failures.push(name));
    return failures;
  }

  test('and an honest one is not', async () => {
    expect(await failuresOf({})).toEqual([]);
  });

  test('one that says taken and stores nothing', async () => {
    expect(await failuresOf({ deliver: async () => taken })).toEqual([
      'one event is taken, and the receiver has it',
      'a request as large as the limits allow is taken whole',
      'a row as large as the limits allow is taken alone',
      'requests that are sent at once are all taken',
      'events with quotes, line breaks, other scripts and long numbers arrive',
      'during an outage nothing is taken or rejected, and afterwards the same request is taken',
      'a call that waits for a silent receiver ends soon when it is aborted',
    ]);
  });

  type Deliver = Destination['deliver'];
  const deliverBy = (deliver: Deliver) => ({ deliver });
  const limits = (part: object) => ({ limits: { ...honest.limits, ...part } });
  let waiting: readonly Row[] = [];
  const connections: Socket[] = [];

  test.each<[string, Partial<Record<keyof Destination, unknown>>, string]>([
    ['no limit', limits({ maxRows: 0 }), 'limits are whole numbers of at least 1'],
    ['rows without a length', limits({ rowBytes: () => Number.NaN }), 'limits are whole numbers of at least 1'],
    ['an age that is not a number', limits({ maxAgeMs: Number.NaN }), 'limits are whole numbers of at least 1'],
    [
      'larger limits than its receiver has, together',
      limits({ maxBytes: 5_000_000, maxRowBytes: 900_000 }),
      'a request as large as the limits allow is taken whole',
    ],
    [
      'larger limits than its receiver has, for one row',
      limits({ maxRowBytes: 5_000_000 }),
      'a row as large as the limits allow is taken alone',
    ],
    [
      'a check that complains',
      { check: async () => [{ says: 'No.', stopsDelivery: true }] },
      'check finds nothing that stops delivery to a receiver that works',
    ],
    [
      'a check that returns nothing',
      { check: async () => undefined },
      'check finds nothing that stops delivery to a receiver that works',
    ],
    [
      'a repeated request that is refused',
      deliverBy(async () => ({ kind: 'blocked', code: 'Twice', reason: 'It was here.' })),
      'the same request again is taken again',
    ],
    [
      'a deliver that throws at once',
      deliverBy(() => {
        throw new Error('At once.');
      }),
      'one event is taken, and the receiver has it',
    ],
    [
      'a deliver that returns something else',
      deliverBy(async () => ({ ok: true }) as never),
      'one event is taken, and the receiver has it',
    ],
    [
      'a deliver that sends the first row alone',
      deliverBy(async ({ rows }) => {
        store(rows.slice(0, 1));
        return taken;
      }),
      'a request as large as the limits allow is taken whole',
    ],
    [
      'calls that share what they send',
      deliverBy(async ({ rows }) => {
        waiting = rows;
        await new Promise((resolve) => setImmediate(resolve));
        store(waiting);
        return taken;
      }),
      'requests that are sent at once are all taken',
    ],
    [
      'a deliver that changes its rows',
      deliverBy(async (request, signal) => {
        for (const row of request.rows) (row as { line: string }).line = '';
        return honest.deliver(request, signal);
      }),
      'one event is taken, and the receiver has it',
    ],
    [
      'a deliver that cuts what it does not know',
      deliverBy(async ({ rows }) => {
        store(rows.map((row) => ({ ...row, line: encodeURIComponent(row.line).slice(0, 30) })));
        return taken;
      }),
      'events with quotes, line breaks, other scripts and long numbers arrive',
    ],
    [
      'an aborted call that rejects events',
      deliverBy(async (request, signal) =>
        signal.aborted
          ? { kind: 'refused', rejected: [{ index: 0, reason: 'Aborted.' }] }
          : honest.deliver(request, signal),
      ),
      'an aborted call ends soon and rejects no event',
    ],
    [
      'rejected rows that the request does not have',
      deliverBy(async (request, signal) =>
        signal.aborted ? { kind: 'refused', rejected: [{ index: 9, reason: 'No.' }] } : honest.deliver(request, signal),
      ),
      'an aborted call ends soon and rejects no event',
    ],
    [
      'a deliver that hides an outage',
      deliverBy(async (request, signal) => {
        const outcome = await honest.deliver(request, signal);
        return outcome.kind === 'retry' ? taken : outcome;
      }),
      'during an outage nothing is taken or rejected, and afterwards the same request is taken',
    ],
    [
      'a deliver that takes silence for an answer',
      deliverBy(async (request, signal) => (isSilent ? taken : honest.deliver(request, signal))),
      'a call that waits for a silent receiver ends soon when it is aborted',
    ],
    [
      'a deliver that leaves connections open',
      deliverBy(async (request, signal) => {
        const socket = connect(Number(new URL(receiver.url).port), '127.0.0.1');
        connections.push(socket);
        await once(socket, 'connect');
        return honest.deliver(request, signal);
      }),
      'close frees what keeps the process running',
    ],
    [
      'a deliver that ends the process',
      deliverBy(async (request, signal) => {
        try {
          process.exit(0);
        } catch {}
        return honest.deliver(request, signal);
      }),
      'one event is taken, and the receiver has it',
    ],
    [
      'a deliver that stops the process for seconds',
      deliverBy(async (request, signal) => {
        if (request.rows.length > 2) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
        return honest.deliver(request, signal);
      }),
      'a call does not hold up the process',
    ],
  ])('one with %s', async (_what, part, name) => {
    expect(await failuresOf(part)).toContain(name);
    for (const socket of connections.splice(0)) socket.destroy();
  });

  test.each<[string, (stop: AbortSignal) => Partial<Destination>, string]>([
    [
      'a deliver that never ends once it is aborted',
      (stop) =>
        deliverBy(async (request, signal) => {
          if (signal.aborted) await once(stop, 'abort');
          return honest.deliver(request, signal);
        }),
      'an aborted call ends soon and rejects no event',
    ],
    [
      'a deliver that waits for a silent receiver for ever',
      (stop) =>
        deliverBy(async (request, signal) => {
          if (isSilent) await once(stop, 'abort');
          return honest.deliver(request, signal);
        }),
      'a call that waits for a silent receiver ends soon when it is aborted',
    ],
    [
      'a close that never ends',
      (stop) => ({ close: async () => void (stop.aborted || (await once(stop, 'abort'))) }),
      'limits are whole numbers of at least 1',
    ],
  ])('one with %s', async (_what, make, name) => {
    const destination = { ...honest, ...make(stops.signal) };
    const parts = { open: async () => destination, received: async () => stored, outage, silence, patienceMs: 1_000 };
    const tests = conformanceTests(parts);
    await expect(tests.find((one) => one.name === name)?.run()).rejects.toThrow('did not end within');
  });
});
