import { Agent, type IncomingMessage, request as send } from 'node:http';
import { text } from 'node:stream/consumers';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
const oneConnection = new Agent({ keepAlive: true, maxSockets: 1 });
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(async () => {
  oneConnection.destroy();
  await api.close();
});

const piece = Buffer.alloc(1_000_000, 'x');

/** Sends a body in pieces, one after the other, and sends all of them even if the answer arrives before the end. */
function post(pieces: readonly Buffer[], { declared }: { declared: boolean }) {
  const length = pieces.reduce((sum, { length: bytes }) => sum + bytes, 0);
  const request = send(`${api.url}/audit`, {
    method: 'POST',
    agent: oneConnection,
    headers: {
      authorization: `Bearer ${masterKey}`,
      'content-type': 'application/json',
      ...(declared ? { 'content-length': length } : { 'transfer-encoding': 'chunked' }),
    },
  });
  return new Promise<{ status: number | undefined; headers: IncomingMessage['headers']; body: string; port: number }>(
    (resolve, reject) => {
      request.once('error', reject);
      request.once('response', (response) => {
        const port = response.socket.localPort ?? 0;
        text(response).then(
          (body) => resolve({ status: response.statusCode, headers: response.headers, body, port }),
          reject,
        );
      });
      const [first, ...rest] = pieces;
      const write = (next: Buffer | undefined, others: readonly Buffer[]): void => {
        if (next) request.write(next, (error) => error || write(others[0], others.slice(1)));
        else request.end();
      };
      write(first, rest);
    },
  );
}

test.each([
  ['of a declared length', true],
  ['in chunks', false],
])(
  'a body that is too large, sent %s to its end, gets an answer, and its connection serves the next request',
  async (_how, declared) => {
    const rejected = await post(Array(20).fill(piece), { declared });
    expect(rejected.status).toBe(413);
    expect(JSON.parse(rejected.body)).toMatchObject({
      status: 413,
      detail: expect.stringMatching(/larger than \d+ bytes/),
    });
    const event = anEvent();
    const accepted = await post([Buffer.from(JSON.stringify(event))], { declared });
    expect(accepted.status).toBe(201);
    expect(accepted.port).toBe(rejected.port);
  },
);

test('a body that arrives in pieces is stored whole', async () => {
  const event = anEvent();
  const bytes = Buffer.from(JSON.stringify(event));
  const accepted = await post([bytes.subarray(0, 7), bytes.subarray(7, 30), bytes.subarray(30)], { declared: false });
  expect(accepted.status).toBe(201);
  expect(JSON.parse(accepted.body)).toMatchObject(event);
});

const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };

test.each(Object.entries(packers))(
  'a %s body that was cut off, or that more data follows, loses no event behind a 2xx',
  async (encoding, pack) => {
    const lines = (count: number) => someEvents(count).map((event) => `${JSON.stringify(event)}\n`);
    const post = (body: Buffer) =>
      api.request('/audit/batch?partial=true', {
        body,
        type: 'application/x-ndjson',
        headers: { 'content-encoding': encoding },
      });
    const [one, two] = [pack(lines(300).join('')), pack(lines(200).join(''))];
    const bodies = [
      one.subarray(0, one.length - 1),
      one.subarray(0, one.length >> 1),
      Buffer.concat([one, Buffer.from('garbage')]),
      Buffer.concat([one, two]),
      Buffer.concat([one, two.subarray(0, two.length - 1)]),
    ];
    for (const [n, body] of bodies.entries()) {
      const { status, body: answer } = await post(body);
      // A format may let streams follow each other.
      if (status < 300) expect([n, answer.ids.length]).toEqual([3, 500]);
      else expect([n, status]).toEqual([n, 400]);
    }
    expect((await post(one)).status).toBeLessThan(300);
  },
);

test('a caller that disconnects in the middle of its body stores nothing, and other callers are served', async () => {
  const event = anEvent();
  const request = send(`${api.url}/audit`, {
    method: 'POST',
    headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json', 'content-length': 10_000 },
  });
  request.once('error', () => {});
  await new Promise((resolve) => request.write(JSON.stringify(event), resolve));
  request.destroy();
  expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
  expect((await api.request(`/audit/${event.id}`)).status).toBe(404);
});

test('the headers of every answer forbid sniffing, framing, caching and scripts', async () => {
  const { headers } = await api.request('/audit', { body: anEvent() });
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.has('x-powered-by')).toBe(false);
});
