import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import {
  hasAzurite,
  howToInstallAzurite,
  type OwnAzurite,
  startOwnAzurite,
} from '@auditbox/testing/servers/own-azurite.ts';
import { startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

/* examples/destinations/azure-blob.ts with Azurite, which is Microsoft's own double, and what Azurite cannot answer. */

if (!hasAzurite)
  process.stderr.write(`\nSKIPPED: the Azure example with Azurite, which is not installed: ${howToInstallAzurite}\n\n`);

const plugin = fileURLToPath(new URL('../../../examples/destinations/azure-blob.ts', import.meta.url));
const open = (options: object) => openDestination({ module: plugin, options }, import.meta.filename);
const { signal } = new AbortController();
const anHourAgo = () => new Date(Date.now() - 3_600_000);

describe.skipIf(!hasAzurite)('with Azurite', () => {
  let azurite: OwnAzurite;
  let container: string;
  const valid = () => ({ container, sas: azurite.sas('audit') });
  beforeAll(async () => {
    azurite = await startOwnAzurite();
    container = await azurite.makeContainer('audit');
  });
  afterAll(() => azurite?.close());

  /** Blobs never change, so each is read once. */
  const read = new Map<string, string>();
  async function received(): Promise<string[]> {
    for (const name of await azurite.names('audit'))
      if (!read.has(name)) read.set(name, (await azurite.read('audit', name)).text);
    return [...read.values()];
  }

  for (const { name, run } of conformanceTests({
    open: () => open(valid()),
    received,
    outage: { begin: () => azurite.stop(), end: () => azurite.start() },
    silence: { begin: async () => azurite.signal('SIGSTOP'), end: async () => azurite.signal('SIGCONT') },
  }))
    test(name, run);

  test('a request that comes again changes nothing, also with the right to overwrite', async () => {
    const name = 'siem/000000000001/000000000007.ndjson';
    expect(await deliver(await open(valid()), [aRow()], 7)).toEqual({ kind: 'taken' });
    const first = await azurite.read('audit', name);
    expect(first.text).toBe(`${aRow().line}\n`);
    for (const rights of ['cr', 'rcw'])
      expect(await deliver(await open({ container, sas: azurite.sas('audit', { rights }) }), [aRow()], 7)).toEqual({
        kind: 'taken',
      });
    expect(await azurite.read('audit', name)).toEqual(first);
    expect(await azurite.names('audit')).toContain(name);
  });

  test.each(['cr', 'rcw'])('another blob of that name stays, and the destination is blocked (%s)', async (rights) => {
    const destination = await open({ container, sas: azurite.sas('audit', { rights }) });
    const first = 10 + rights.length;
    expect(await deliver(destination, [aRow()], first)).toEqual({ kind: 'taken' });
    const name = `siem/000000000001/${String(first).padStart(12, '0')}.ndjson`;
    const before = await azurite.read('audit', name);
    expect(await deliver(destination, [aRow({ line: '{"n":2}' })], first)).toMatchObject({
      kind: 'blocked',
      reason: `Another blob has the name ${name}.`,
    });
    expect(await azurite.read('audit', name)).toEqual(before);
  });

  const expired = anHourAgo();
  const lacks = /^Azure answered 403 \w+\. The SAS is wrong, or it lacks the rights c and r on this container\.$/;
  test.each<[string, () => object, RegExp]>([
    ['a signature that is wrong', () => ({ sas: azurite.sas('audit').replace(/sig=./, 'sig=') }), lacks],
    ['a SAS of another container', () => ({ sas: azurite.sas('other') }), lacks],
    ['a SAS without rights to read and create', () => ({ sas: azurite.sas('audit', { rights: 'l' }) }), lacks],
    [
      'a SAS that has expired',
      () => ({ sas: azurite.sas('audit', { expires: expired }) }),
      new RegExp(`^Azure answered 403 \\w+\\. The SAS expired at ${expired.toISOString().slice(0, 19)}Z\\.$`),
    ],
    [
      'a container that is missing',
      () => ({ container: container.replace(/audit$/, 'missing'), sas: azurite.sas('missing') }),
      /^Azure answered 404 ContainerNotFound\. Create the container missing\.$/,
    ],
  ])('%s blocks, and the check says so', async (_what, wrong, reason) => {
    const destination = await open({ ...valid(), ...wrong() });
    const says = expect.stringMatching(reason);
    expect(await deliver(destination, [aRow()], 20)).toMatchObject({ kind: 'blocked', reason: says });
    expect(await destination.check(signal)).toEqual([{ says, stopsDelivery: true }]);
    expect(await azurite.names('audit')).not.toContain('siem/000000000001/000000000020.ndjson');
  });

  describe('and an exporter', () => {
    let rig: DestinationFixture;
    beforeEach(async () => {
      rig = await createDestinationFixture();
    });
    afterEach(() => rig.close());

    test('an exporter waits while the SAS has expired, and then the blobs have the bytes that S3 has', async () => {
      const target = await azurite.makeContainer('exported');
      const entry = (expires?: Date) => ({
        ...{ name: 'blobs', type: 'module', module: plugin, since: 'all' },
        options: { container: target, sas: azurite.sas('exported', expires && { expires }) },
      });
      await rig.db.store(someEvents(50, { updated_at: '2026-07-03T11:46:50Z' }));
      const waiting = await rig.serve([entry(anHourAgo())]);
      const { reason } = await waiting.event('destination-blocked');
      expect(reason).toMatch(/The SAS expired at \S+Z\.$/);
      waiting.signal('SIGTERM');
      await waiting.ended;
      expect(await azurite.names('exported')).toEqual([]);
      await rig.serve([entry()]);
      for (const destination of ['blobs', 's3'])
        await eventually(async () => expect(new Set(await rig.deliveries(destination))).toEqual(new Set(['done'])));
      const blobs = await Promise.all((await azurite.names('exported')).map((name) => azurite.read('exported', name)));
      const objects = await rig.bucket.objects();
      expect(blobs.map(({ text }) => text).join('')).toBe(objects.map(({ text }) => text).join(''));
      expect(objects.flatMap(({ events }) => events)).toHaveLength(50);
    });
  });
});

test.each(['http://blobs.example/audit', 'ftp://127.0.0.1/audit', 'blobs.example/audit'])(
  'the container %s is refused, because events and the SAS would be readable on the way',
  async (container) => {
    await expect(open({ container, sas: 'sig=secret' })).rejects.toThrow(
      'The option container must be an https URL. Plain http is accepted on loopback only.',
    );
  },
);

/* Azure's own codes, which Azurite does not use. */
test.each<[number, string, { status: number; sameBytes?: boolean }, string]>([
  [503, 'ServerBusy', { status: 404 }, 'retry'],
  [500, 'OperationTimedOut', { status: 404 }, 'retry'],
  [429, 'TooManyRequests', { status: 404 }, 'retry'],
  [403, 'UnauthorizedBlobOverwrite', { status: 200, sameBytes: true }, 'taken'],
  [403, 'UnauthorizedBlobOverwrite', { status: 200 }, 'blocked'],
  [409, 'BlobImmutableDueToPolicy', { status: 200, sameBytes: true }, 'taken'],
  [403, 'AuthenticationFailed', { status: 403 }, 'blocked'],
  [400, 'Md5Mismatch', { status: 404 }, 'retry'],
])('%i %s, with %j of the blob, is %s', async (status, code, { status: found, sameBytes }, kind) => {
  const azure = await startHttpReceiver();
  const md5 = createHash('md5')
    .update(sameBytes ? `${aRow().line}\n` : 'other')
    .digest('base64');
  azure.answer = ({ method }) =>
    method === 'HEAD'
      ? { status: found, headers: { 'content-md5': md5 } }
      : { status, headers: { 'x-ms-error-code': code } };
  const outcome = await deliver(await open({ container: `${azure.url}/audit`, sas: '?sig=secret' }));
  expect(outcome).toMatchObject({ kind, ...(kind !== 'taken' && { code }) });
  await azure.close();
});
