import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ConnectProxy, startConnectProxy } from '@auditbox/testing/proxies/connect-proxy.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttpClient, type HttpClient, type HttpOptions } from '../src/destinations/http/http-client.ts';
import { askOutside } from '../src/log/ask-outside.ts';

/* Receivers that move, answer early, late or for ever, and what stands between them and us. */

const clients: HttpClient[] = [];
const sockets = new Set<Socket>();
let server: Server;
let url: string;
let opened: number;
/** What the receiver does with a new connection. */
let receive: (socket: Socket) => void;

beforeEach(async () => {
  opened = 0;
  server = createServer((socket) => {
    opened += 1;
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    receive(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/audit`;
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const socket of sockets) socket.destroy();
  server.close();
});

function open(options?: HttpOptions): HttpClient {
  const client = createHttpClient(options);
  clients.push(client);
  return client;
}

const signal = () => AbortSignal.timeout(600_000);
const respond = (status: string, headers = '', body = '') =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;

/** Answers each request once its body, of this many bytes, is there. */
const answerWhole = (bytes: number, answer: string) => (socket: Socket) => {
  let received = '';
  socket.on('data', (part) => {
    received += part.toString('latin1');
    const head = received.indexOf('\r\n\r\n');
    if (head < 0 || received.length < head + 4 + bytes) return;
    received = '';
    socket.write(answer);
  });
};

describe('an answer that comes before the request is there', () => {
  /** Much more than a socket holds. */
  const body = Buffer.alloc(32 * 1024 * 1024, 'x');
  const answerEarly = (answer: string) => {
    receive = (socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write(answer);
      });
    };
  };

  test('and says that all is well has taken nothing, and its connection is not used again', async () => {
    answerEarly(respond('200 OK'));
    const client = open();
    for (let time = 1; time <= 2; time += 1) {
      await expect(client.send({ url, body }, signal())).rejects.toMatchObject({ code: 'EarlyAnswer' });
      expect(opened).toBe(time);
    }
  });

  test.each(['413 Payload Too Large', '401 Unauthorized', '503 Service Unavailable'])(
    'and says %s counts',
    async (status) => {
      answerEarly(respond(status));
      expect((await open().send({ url, body }, signal())).status).toBe(Number(status.slice(0, 3)));
    },
  );
});

describe('a receiver may move', () => {
  test('a connection that works is used for many requests, and not for longer than its age', async () => {
    receive = answerWhole(1, respond('200 OK'));
    const lasting = open();
    for (let time = 0; time < 5; time += 1) await lasting.send({ url, body: 'x' }, signal());
    expect(opened).toBe(1);
    const aging = open({ connectionAgeMs: 0 });
    for (let time = 0; time < 5; time += 1) await aging.send({ url, body: 'x' }, signal());
    expect(opened).toBe(6);
  });

  test.each([
    ['404 Not Found', 3],
    ['302 Found', 3],
    ['429 Too Many Requests', 3],
    ['502 Bad Gateway', 3],
    ['413 Payload Too Large', 1],
    ['422 Unprocessable Entity', 1],
  ])('three answers %s come over this many connections: %i', async (status, connections) => {
    receive = answerWhole(1, respond(status));
    const client = open();
    for (let time = 0; time < 3; time += 1) await client.send({ url, body: 'x' }, signal());
    expect(opened).toBe(connections);
  });

  test('a name with a dead address is reached by its other one', async () => {
    receive = answerWhole(1, respond('200 OK'));
    // Nothing listens on the port at ::1.
    const named = url.replace('127.0.0.1', 'localhost');
    expect((await open().send({ url: named, body: 'x' }, signal())).status).toBe(200);
  });
});

describe('an odd answer', () => {
  const small = { method: 'POST', body: 'x' };
  test('of HTTP/1.0 without a length ends with its connection', async () => {
    receive = (socket) => void socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it'));
    expect(await open().send({ ...small, url }, signal())).toMatchObject({ status: 200, text: 'all of it' });
  });

  test('that is cut in its middle is an error', async () => {
    receive = (socket) =>
      void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'));
    await expect(open().send({ ...small, url }, signal())).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('of chunks without an end is cut at 1 MiB, and ends the connection', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    let sent = 0;
    receive = (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
        const more = () => {
          while (!socket.destroyed && socket.write(chunk)) sent += 1;
        };
        socket.on('drain', more);
        more();
      });
    };
    const answer = await open().send({ ...small, url }, signal());
    expect(answer.isCut).toBe(true);
    expect(answer.text.length).toBeLessThan(2 * 1024 * 1024);
    await eventually(() => expect(sockets.size).toBe(0));
    expect(sent).toBeLessThan(1_000);
  });

  test('that leads elsewhere is not followed, so nobody else gets the credentials', async () => {
    const elsewhere = await startHttpReceiver();
    receive = answerWhole(1, respond('307 Temporary Redirect', `location: ${elsewhere.url}\r\n`));
    const headers = { authorization: 'Bearer s3cret' };
    expect((await open().send({ url, headers, body: 'x' }, signal())).status).toBe(307);
    expect(elsewhere.requests).toHaveLength(0);
    await elsewhere.close();
  });

  test('that a receiver with half of the request never gives is an error', async () => {
    receive = (socket) => void socket.once('data', () => socket.destroy());
    const sent = open().send({ url, body: Buffer.alloc(32 * 1024 * 1024) }, signal());
    await expect(sent).rejects.toMatchObject({ code: expect.stringMatching(/^(ECONNRESET|EPIPE)$/) });
  });
});

describe('a proxy', () => {
  let proxy: ConnectProxy;
  let receiver: HttpReceiver;
  beforeEach(async () => {
    proxy = await startConnectProxy();
    receiver = await startHttpReceiver();
  });
  afterEach(async () => {
    proxy.close();
    await receiver.close();
  });
  const env = (more: object = {}) => ({ HTTPS_PROXY: `http://ana:s3cret@127.0.0.1:${proxy.port}`, ...more });

  test.each([{}, { NO_PROXY: 'intern.example' }, { NO_PROXY: '' }])(
    'is not used for loopback, whatever NO_PROXY names: %j',
    async (more) => {
      const https = url.replace('http:', 'https:');
      receive = (socket) => void socket.destroy();
      await expect(open({ env: env(more) }).send({ url: https, body: 'x' }, signal())).rejects.toThrow();
      expect(proxy.tunnels).toEqual([]);
      expect(opened).toBe(1);
    },
  );

  test('that refuses is named without its password', async () => {
    proxy.refuses = true;
    const sent = open({ env: env() }).send({ url: 'https://soc.example/audit', body: 'x' }, signal());
    const error = await sent.catch((thrown: Error & { code?: string }) => thrown);
    const said = `${(error as { code?: string }).code} ${(error as Error).message}`;
    expect(said).toContain('407');
    expect(said).not.toContain('s3cret');
  });
});

test('a password in the URL of a witness or a time-stamping authority is not sent in clear to another host', async () => {
  receive = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  const ask = (address: string) => askOutside(address, { type: 'text/plain', body: '' }, AbortSignal.any([]));
  // It leads to this machine, and is not loopback to anybody who reads it.
  const another = url.replace('127.0.0.1', '0.0.0.0');
  expect(await ask(another.replace('://', '://auditor:hidden@'))).toEqual({
    ...{ kind: 'failed', reason: 'Its URL has a password, which plain http would show on the way. Use https.' },
  });
  expect(opened).toBe(0);
  for (const address of [another, url.replace('://', '://auditor:hidden@')])
    expect(await ask(address)).toMatchObject({ kind: 'answered', status: 200 });
});
