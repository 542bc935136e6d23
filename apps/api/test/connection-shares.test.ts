import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { request as sendPlain } from 'node:http';
import { request as sendByTls } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { generate } from 'selfsigned';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';

/* One address cannot take all connections. The tests have two addresses: every one that begins with 127 is this machine's. */

const share = 20;
const limits = { HTTP_MAX_CONNECTIONS: '60', HTTP_MAX_CONNECTIONS_PER_ADDRESS: String(share) };
const attacker = '127.0.0.2';
const other = '127.0.0.3';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture(limits);
});
afterAll(() => api.close());

const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
});

/** Connections that send nothing. */
function hold(url: string, from: string, count: number): readonly Socket[] {
  const { port } = new URL(url);
  const sockets = Array.from({ length: count }, () =>
    connect({ port: Number(port), host: '127.0.0.1', localAddress: from }).on('error', () => {}),
  );
  open.push(...sockets);
  return sockets;
}

const closed = (sockets: readonly Socket[]) => sockets.filter(({ destroyed }) => destroyed).length;

/** The status of /livez on a new connection from this address; null if it was closed. */
async function ask(url: string, from: string, send = sendPlain): Promise<number | null> {
  const request = send(`${url}/livez`, { localAddress: from, agent: false, rejectUnauthorized: false } as object).end();
  const [answer] = await once(request, 'response').catch(() => [null]);
  answer?.resume();
  return answer?.statusCode ?? null;
}

test('an address that holds its share of connections gets no more, and others do; a closed one makes room', async () => {
  const held = hold(api.url, attacker, 2 * share);
  await eventually(() => expect(closed(held)).toBe(share));
  expect(await api.app.event('connections-refused')).toMatchObject({ network: attacker, share, level: 'warn' });
  expect(await ask(api.url, attacker)).toBeNull();
  expect(await ask(api.url, other)).toBe(200);
  held.find(({ destroyed }) => !destroyed)?.destroy();
  await eventually(async () => expect(await ask(api.url, attacker)).toBe(200));
});

test('connections of a trusted proxy are those of many callers, and are not counted', async () => {
  const own = await startApi(urlAs('api', api.db.url), { ...limits, TRUSTED_PROXIES: attacker });
  const held = hold(own.url, attacker, 2 * share);
  await Promise.all(held.map((socket) => once(socket, 'connect')));
  expect(await ask(own.url, attacker)).toBe(200);
  expect(closed(held)).toBe(0);
});

test('over TLS, too, an address that holds its share gets no more, and others do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  const files = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') };
  const pems = await generate([{ name: 'commonName', value: 'shares.example.com' }]);
  await writeFile(files.TLS_CERT_FILE, pems.cert);
  await writeFile(files.TLS_KEY_FILE, pems.private);
  const own = await startApi(urlAs('api', api.db.url), { ...limits, ...files });
  const url = own.url.replace('http:', 'https:');
  const held = hold(own.url, attacker, 2 * share);
  await eventually(() => expect(closed(held)).toBe(share));
  expect(await ask(url, attacker, sendByTls)).toBeNull();
  expect(await ask(url, other, sendByTls)).toBe(200);
});

test('without the setting a share is a quarter of all connections', async () => {
  const own = await startApi(urlAs('api', api.db.url), { HTTP_MAX_CONNECTIONS: '80' });
  const held = hold(own.url, attacker, 30);
  await eventually(() => expect(closed(held)).toBe(10));
});

test('above HTTP_MAX_CONNECTIONS a connection is closed, whatever its address', async () => {
  for (const from of [attacker, other, '127.0.0.4'])
    await Promise.all(hold(api.url, from, share).map((one) => once(one, 'connect')));
  await eventually(async () => expect(await ask(api.url, '127.0.0.5')).toBeNull());
});
