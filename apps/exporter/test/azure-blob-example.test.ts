import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

/* examples/destinations/azure-blob.ts with a double of Azure Storage that refuses what Azure refuses. */

const sas = 'sv=2021-12-02&sr=c&sp=cr&sig=secret';
const blobs = new Map<string, string>();
let azure: HttpReceiver;
let isAway = false;

beforeAll(async () => {
  azure = await startHttpReceiver();
  azure.answer = ({ method, path, headers, body }) => {
    const [name = '', query] = path.split('?');
    const refuse = (status: number, code: string) => ({ status, headers: { 'x-ms-error-code': code } });
    if (isAway) return refuse(503, 'ServerBusy');
    if (query !== sas) return refuse(403, 'AuthenticationFailed');
    if (!headers['x-ms-version']) return refuse(400, 'MissingRequiredHeader');
    if (!name.startsWith('/audit/')) return refuse(404, 'ContainerNotFound');
    if (method === 'HEAD') return blobs.has(name) ? { status: 200 } : refuse(404, 'BlobNotFound');
    if (headers['x-ms-blob-type'] !== 'BlockBlob') return refuse(400, 'InvalidHeaderValue');
    // Without the condition Azure would overwrite.
    if (headers['if-none-match'] === '*' && blobs.has(name)) return refuse(409, 'BlobAlreadyExists');
    blobs.set(name, body);
    return { status: 201 };
  };
});
afterAll(() => azure.close());

const open = (options: object = {}) =>
  openDestination(
    {
      module: '../../../examples/destinations/azure-blob.ts',
      options: { container: `${azure.url}/audit`, sas: `?${sas}`, ...options },
    },
    import.meta.filename,
  );

for (const { name, run } of conformanceTests({
  open,
  received: async () => [...blobs.values()],
  outage: {
    begin: async () => {
      isAway = true;
    },
    end: async () => {
      isAway = false;
    },
  },
}))
  test(name, run);

test('a request that comes again leaves one blob, whose name sorts by batch', async () => {
  blobs.clear();
  for (let time = 0; time < 2; time += 1) expect(await deliver(await open(), [aRow()], 7)).toEqual({ kind: 'taken' });
  expect([...blobs.keys()]).toEqual(['/audit/siem/000000000001/000000000007.ndjson']);
});

test.each([
  [{ sas: 'sig=wrong' }, 'Azure answered 403 AuthenticationFailed.'],
  [{ container: '/other' }, 'Azure answered 404 ContainerNotFound.'],
])('a wrong SAS or container blocks, and the check names it', async (options, reason) => {
  const wrong = 'container' in options ? { container: `${azure.url}${options.container}` } : options;
  const destination = await open(wrong);
  expect(await deliver(destination)).toMatchObject({ kind: 'blocked', reason });
  expect(await destination.check(new AbortController().signal)).toEqual([{ says: reason, stopsDelivery: true }]);
});
