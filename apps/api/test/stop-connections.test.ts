import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { Agent, get, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { generate } from 'selfsigned';
import { expect, test } from 'vitest';
import { type ApiServer, createServer } from '../src/http/server.ts';

/* A caller that keeps its connection does not hold up the end of an api, and one that is served gets its answer. */

/** Nothing here ends by itself. */
const hourMs = 3_600_000;
const limits = {
  ...{ headersMs: hourMs, requestMs: hourMs, keepAliveMs: hourMs, stallMs: hourMs },
  ...{ max: 10, maxPerAddress: 10 },
};

const portOf = ({ server }: ApiServer) => (server.address() as AddressInfo).port;

test.each([
  ['before its answer begins', false, 'close'],
  ['in the middle of its answer', true, 'keep-alive'],
])('a server that closes %s ends the connection behind the answer', async (_when, hasBegun, connection) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<ServerResponse>();
  const api = createServer((_request, response) => ask(response), limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const agent = new Agent({ keepAlive: true });
  const answered = once(get({ port: portOf(api), agent }), 'response');
  const response = await asked;
  if (hasBegun) {
    response.write('begin');
    await answered;
  }
  const closed = once(api.server, 'close');
  api.close();
  response.end('end');
  const [received] = await answered;
  expect(received.resume().headers.connection).toBe(connection);
  await closed;
  agent.destroy();
});

/** Ends when a server has closed to which a connection was opened that sends nothing. */
async function closeBesideSilence(tls: Parameters<typeof createServer>[2]): Promise<void> {
  const api = createServer((_request, response) => response.end(), limits, tls);
  api.server.listen(0);
  await once(api.server, 'listening');
  const accepted = once(api.server, 'connection');
  const socket = connect(portOf(api)).on('error', () => {});
  await accepted;
  const closed = once(api.server, 'close');
  api.close();
  await closed;
  socket.destroy();
}

test('a connection that was opened in advance and has no request does not hold up the end', async () => {
  await closeBesideSilence(null);
});

test('a TLS handshake that is not finished does not hold up the end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-stop-'));
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), clientCa: undefined };
  const pems = await generate([{ name: 'commonName', value: 'audit.example.com' }]);
  await writeFile(files.cert, pems.cert);
  await writeFile(files.key, pems.private);
  await closeBesideSilence(files);
});

test.each([
  ['before the answer begins', true],
  ['behind the answer', false],
])('an answer to a body that still arrives is not lost when the server closes %s', async (_when, closesBefore) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<ServerResponse>();
  const api = createServer((_request, response) => ask(response), limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const caller = connect(portOf(api)).on('error', () => {});
  let received = '';
  caller.on('data', (part) => {
    received += part;
  });
  const body = Buffer.alloc(1_000_000);
  caller.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length + 1}\r\n\r\n1`);
  const response = await asked;
  const socket = response.socket as Socket;
  const closed = once(api.server, 'close');
  if (closesBefore) api.close();
  const answered = once(response, 'close');
  response.writeHead(413).end('too large');
  await answered;
  if (!closesBefore) api.close();
  // A connection that closes before it has read this is reset.
  caller.write(body);
  await closed;
  expect(socket.bytesRead).toBeGreaterThan(body.length);
  await expect.poll(() => received).toMatch(/^HTTP\/1\.1 413 .*too large/s);
  caller.destroy();
});

test.each([
  ['more headers than are read', `Host: x\r\n${'X: y\r\n'.repeat(200)}`, 431],
  ['no Host', '', 400],
  ['another expectation', 'Host: x\r\nExpect: more\r\n', 417],
])(
  'a request with %s gets its answer while its body still arrives, and what follows is not served',
  async (_what, lines, status) => {
    let served = 0;
    const api = createServer(
      (_request, response) => {
        served += 1;
        response.end();
      },
      limits,
      null,
    );
    api.server.listen(0);
    await once(api.server, 'listening');
    const accepted = once(api.server, 'connection');
    const caller = connect({ port: portOf(api), allowHalfOpen: true }).on('error', () => {});
    const [socket] = (await accepted) as [Socket];
    const gone = once(socket, 'close');
    const body = Buffer.alloc(500_000);
    caller.write(`POST / HTTP/1.1\r\n${lines}Content-Length: ${body.length}\r\n\r\n`);
    const [answer] = await once(caller, 'data');
    expect(String(answer)).toMatch(new RegExp(`^HTTP/1.1 ${status} .*"status":${status}`, 's'));
    caller.resume().end(Buffer.concat([body, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]));
    await gone;
    // A connection that closes before it has read the body is reset.
    expect(socket.bytesRead).toBeGreaterThan(body.length);
    expect(served).toBe(0);
    const closed = once(api.server, 'close');
    api.close();
    await closed;
    caller.destroy();
  },
);

test('a connection on which something moves in the turn of its timeout is not broken', async () => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<ServerResponse>();
  const api = createServer((_request, response) => ask(response), limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const agent = new Agent();
  const answered = once(get({ port: portOf(api), agent }), 'response');
  const response = await asked;
  api.server.emit('timeout', response.socket as Socket);
  // More than the network holds.
  const body = Buffer.alloc(32 * 1024 * 1024, 'x');
  response.end(body);
  const [received] = await answered;
  expect(await text(received)).toHaveLength(body.length);
  const closed = once(api.server, 'close');
  api.close();
  await closed;
});
