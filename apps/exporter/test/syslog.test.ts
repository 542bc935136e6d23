import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createAuthority } from '@auditbox/testing/servers/test-authority.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

let server: Server;
let read: Buffer[];
let file: string;
/** It reads to the end and closes in order, or breaks the connection after this number of bytes. */
let breakAfter: number;

beforeEach(async () => {
  const authority = await createAuthority();
  const { key, certificate } = await authority.issue({ addresses: ['127.0.0.1'] });
  file = join(await mkdtemp(join(tmpdir(), 'auditbox-syslog-')), 'ca.pem');
  writeFileSync(file, authority.certificate);
  read = [];
  breakAfter = Number.POSITIVE_INFINITY;
  server = createServer({ key, cert: certificate }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (part: Buffer) => {
      read.push(part);
      if (Buffer.concat(read).length > breakAfter) socket.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => void server.close());

const syslog = (more: object = {}) =>
  openDestination({
    type: 'syslog',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    ca: file,
    ...more,
  });

/** The messages of what was read, by the octets that each one says it has. */
function messages(): string[] {
  const found: string[] = [];
  for (let rest = Buffer.concat(read); rest.length > 0; ) {
    const space = rest.indexOf(' ');
    const length = Number(rest.subarray(0, space).toString());
    found.push(rest.subarray(space + 1, space + 1 + length).toString());
    rest = rest.subarray(space + 1 + length);
  }
  return found;
}

test('sends RFC 5424 messages with event time and the id, by octets, so that any text is whole', async () => {
  const row = aRow({ objectId: 'a"]\\\n', changedBy: 'ünï', hostname: 'ignored' } as object);
  expect(await deliver(await syslog({ hostname: 'box' }), [row, aRow()])).toEqual({ kind: 'taken' });
  const [first, second] = messages();
  expect(first).toBe(
    `<110>1 2026-07-03T11:46:50.123456Z box auditbox - audit [auditbox@32473 id="${row.id}" action="updated" table="keys" object="a\\"\\]\\\\\n" by="ünï"] \ufeff${row.line}`,
  );
  expect(second).toContain('12345678901234567890');
});

test('a receiver that breaks the connection has not taken the request', async () => {
  breakAfter = 500;
  const rows = Array.from({ length: 1_000 }, () => aRow());
  await expect(deliver(await syslog(), rows)).rejects.toThrow();
  breakAfter = Number.POSITIVE_INFINITY;
  read = [];
  expect(await deliver(await syslog(), rows)).toEqual({ kind: 'taken' });
  expect(messages()).toHaveLength(1_000);
});

test('a receiver that nobody vouches for, or that has another name, gets no event', async () => {
  await expect(deliver(await syslog({ ca: undefined }))).rejects.toThrow(/certificate/);
  await expect(deliver(await syslog({ host: 'localhost' }))).rejects.toThrow(/localhost/);
  expect(read).toEqual([]);
});

test('a message that receivers would cut is over the limit', async () => {
  expect((await syslog()).limits.maxRowBytes).toBe(8_192);
});

test('an authority that was rotated on disk is trusted without a restart', async () => {
  const destination = await syslog();
  expect(await deliver(destination)).toEqual({ kind: 'taken' });
  const next = await createAuthority();
  const { key, certificate } = await next.issue({ addresses: ['127.0.0.1'] });
  server.setSecureContext({ key, cert: certificate });
  await expect(deliver(destination)).rejects.toThrow();
  writeFileSync(file, next.certificate);
  await eventually(async () => expect(await deliver(destination)).toEqual({ kind: 'taken' }));
});
