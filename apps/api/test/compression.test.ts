import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, type RequestOptions, request as sendPlain } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(
    someEvents(300, { table_name: 'packed', object_id: 'packed', before_value: { a: 'x'.repeat(5_000) } }),
  );
});
afterAll(() => api.close());

interface Packed {
  readonly encoding: string | undefined;
  readonly vary: string | undefined;
  readonly bytes: Buffer;
  readonly trailers: NodeJS.Dict<string>;
}

/** Unlike fetch it shows what was sent. */
async function readPacked(url: string, accept: string | null, options: RequestOptions = {}): Promise<Packed> {
  const headers = { authorization: `Bearer ${masterKey}`, ...(accept !== null && { 'accept-encoding': accept }) };
  const request = sendPlain(url, { ...options, headers: { ...headers, ...options.headers } }).end();
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const bytes = await buffer(answer);
  const { 'content-encoding': encoding, vary } = answer.headers;
  return { encoding, vary, bytes, trailers: answer.trailers };
}

const isAccepted: [string, string | null, boolean][] = [
  ['gzip', 'gzip', true],
  ['one of several', 'br;q=1.0, GZIP ; q=0.5,*;q=0', true],
  ['anything', '*', true],
  ['nothing', null, false],
  ['an empty list', '', false],
  ['other encodings', 'br, zstd, deflate', false],
  ['all but gzip', 'gzip;q=0, *', false],
  ['none', 'identity, *;q=0.000', false],
];

test.each(isAccepted)(
  'answers to reads are compressed where the caller accepts %s: %s, %s',
  async (_what, accept, packs) => {
    for (const path of [
      '/audit?table_name=packed&page_size=100',
      '/audit/export?table_name=packed',
      '/audit/objects/packed/packed?page_size=100',
    ]) {
      const plain = await readPacked(`${api.url}${path}`, 'identity');
      const packed = await readPacked(`${api.url}${path}`, accept);
      expect(plain).toMatchObject({ encoding: undefined, vary: expect.stringMatching(/Accept-Encoding/i) });
      expect(packed).toMatchObject({
        encoding: packs ? 'gzip' : undefined,
        vary: plain.vary,
        trailers: plain.trailers,
      });
      expect((packs ? gunzipSync(packed.bytes) : packed.bytes).equals(plain.bytes)).toBe(true);
      if (packs) expect(packed.bytes.length).toBeLessThan(plain.bytes.length / 5);
    }
  },
);

test('small answers, answers to writes, and all answers with HTTP_COMPRESSION=false are sent as they are', async () => {
  const large = anEvent({ table_name: 'packed', updated_values: 'x'.repeat(20_000) });
  const headers = { 'content-type': 'application/json' };
  const request = sendPlain(`${api.url}/audit`, {
    method: 'POST',
    headers: { ...headers, authorization: `Bearer ${masterKey}`, 'accept-encoding': 'gzip' },
  });
  request.end(JSON.stringify(large));
  const [written] = (await once(request, 'response')) as [IncomingMessage];
  expect([written.resume().statusCode, written.headers['content-encoding']]).toEqual([201, undefined]);
  expect((await readPacked(`${api.url}/audit/${large.id}`, 'gzip')).encoding).toBe('gzip');
  expect((await readPacked(`${api.url}/me`, 'gzip')).encoding).toBeUndefined();
  const off = await startApi(urlAs('api', api.db.url), { HTTP_COMPRESSION: 'false' });
  expect(await readPacked(`${off.url}/audit/${large.id}`, 'gzip')).toMatchObject({
    encoding: undefined,
    vary: undefined,
  });
});

test('a compressed export whose database fails is not taken for a whole one', async () => {
  await api.db.store(someEvents(60, { table_name: 'broken', before_value: randomBytes(300_000).toString('base64') }));
  const headers = { authorization: `Bearer ${masterKey}`, 'accept-encoding': 'gzip' };
  const request = sendPlain(`${api.url}/audit/export?table_name=broken`, { headers, agent: false }).end();
  request.on('error', () => {});
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => {}).pause();
  expect(answer.headers['content-encoding']).toBe('gzip');
  const unlock = await lockAuditLog(api.db);
  const sessions = await eventually(async () => {
    const waiting = await api.db.sql<{ pid: number }[]>`
      select pid from pg_stat_activity
      where datname = current_database() and application_name = 'auditbox api reads' and wait_event_type = 'Lock'`;
    answer.read();
    expect(waiting).toHaveLength(1);
    return waiting;
  });
  await api.db.sql`select pg_terminate_backend(${sessions[0]?.pid ?? null}::int)`;
  // The error of a connection that breaks is not the point here.
  await new Promise((resolve) => answer.resume().once('close', resolve));
  expect(answer.complete).toBe(false);
  await unlock();
});
