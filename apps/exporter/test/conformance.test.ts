import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import type { Destination } from '@auditbox/destination-kit/destination.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { openDestination } from './opened-destination.ts';

/* The suite that authors of destinations run: our own destinations keep its contract, and it finds those that do not. */

let receiver: HttpReceiver;
let bucket: TestBucket;
let isAway = false;
beforeAll(async () => {
  receiver = await startHttpReceiver();
  receiver.answer = () => ({ status: isAway ? 503 : 200 });
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
  const honest: Destination = {
    limits: { maxRows: 10, maxBytes: 1_000_000, maxRowBytes: 1_000 },
    deliver: async () => ({ kind: 'taken' }),
    check: async () => [],
    close: async () => {},
  };
  async function failuresOf(destination: Destination, received: readonly string[] = []): Promise<string[]> {
    const tests = conformanceTests({ open: async () => destination, received: async () => received, outage });
    const results = await Promise.allSettled(tests.map(({ run }) => run()));
    return results.flatMap((result, index) => (result.status === 'rejected' ? [tests[index]?.name ?? ''] : []));
  }

  test('one that says taken and stores nothing', async () => {
    expect(await failuresOf(honest)).toEqual([
      'one event is taken, and the receiver has it',
      'a request as large as the limits allow is taken whole',
      'events with quotes, line breaks, other scripts and long numbers arrive',
      'during an outage nothing is taken or rejected, and afterwards the same request is taken',
    ]);
  });

  test.each<[string, Partial<Destination>, string]>([
    ['no limit', { limits: { ...honest.limits, maxRows: 0 } }, 'limits are whole numbers of at least 1'],
    [
      'a check that complains',
      { check: async () => [{ says: 'No.', stopsDelivery: true }] },
      'check finds nothing that stops delivery to a receiver that works',
    ],
    [
      'a repeated request that is refused',
      { deliver: async () => ({ kind: 'blocked', code: 'Twice', reason: 'It was here.' }) },
      'the same request again is taken again',
    ],
  ])('one with %s', async (_what, part, name) => {
    expect(await failuresOf({ ...honest, ...part })).toContain(name);
  });
});
