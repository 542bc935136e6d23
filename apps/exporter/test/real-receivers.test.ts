import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import {
  hasNats,
  hasRsyslog,
  type OwnReceiver,
  startOwnNats,
  startOwnRsyslog,
} from '@auditbox/testing/servers/own-receivers.ts';
import { createAuthority } from '@auditbox/testing/servers/test-authority.ts';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

/* Destinations and examples with receivers that others wrote. Debian has the packages. */

for (const [name, isThere] of [
  ['rsyslog and rsyslog-gnutls', hasRsyslog],
  ['nats-server', hasNats],
] as const)
  if (!isThere) process.stderr.write(`SKIPPED: the tests with ${name}, because it is not installed.\n`);

describe.skipIf(!hasRsyslog)('syslog and a real rsyslog over TLS (needs rsyslog and rsyslog-gnutls)', () => {
  let rsyslog: Awaited<ReturnType<typeof startOwnRsyslog>>;
  let lastId = '';
  beforeAll(async () => {
    rsyslog = await startOwnRsyslog();
  });
  afterAll(() => rsyslog.close());

  const open = async () => {
    const { port, authority: ca } = rsyslog;
    const destination = await openDestination({ type: 'syslog', host: '127.0.0.1', port, ca });
    return {
      ...destination,
      deliver: (...[request, signal]: Parameters<typeof destination.deliver>) => {
        lastId = request.rows.at(-1)?.id ?? '';
        return destination.deliver(request, signal);
      },
    };
  };

  /** It writes its file a moment after it has read a message. */
  const received = async () => {
    await eventually(async () => expect(await rsyslog.read()).toContain(lastId));
    return [await rsyslog.read()];
  };

  for (const { name, run } of conformanceTests({
    open,
    received,
    outage: { begin: () => rsyslog.stop(), end: () => rsyslog.start() },
  }))
    test(name, run);

  test('rsyslog reads event time, structured data and the whole event', async () => {
    const id = '0197f0e0-0000-7000-8000-0000000000aa';
    const row = aRow({ id, objectId: 'k"1"]', line: `{"id":"${id}","n":${'9'.repeat(5_000)}}` });
    await deliver(await open(), [row]);
    const [text = ''] = await received();
    const line = text.split('\n').find((one) => one.includes(id));
    expect(line).toContain('2026-07-03T11:46:50.123456');
    expect(line).toContain(`auditbox [auditbox@32473 id="${id}" action="updated" table="keys" object="k\\"1\\"\\]"`);
    expect(line?.endsWith(row.line)).toBe(true);
  });

  test('an event that is sent twice is there twice with the same id', async () => {
    const id = '0197f0e0-0000-7000-8000-0000000000bb';
    const row = aRow({ id, line: `{"id":"${id}"}` });
    for (let time = 0; time < 2; time += 1) await deliver(await open(), [row]);
    await eventually(async () => expect((await rsyslog.read()).split(`{"id":"${id}"}`)).toHaveLength(3));
  });
});

describe.skipIf(!hasNats)('examples/destinations/nats-jetstream.ts and a real nats-server (needs nats-server)', () => {
  const subject = 'audit.events';
  let nats: OwnReceiver;
  let connection: NatsConnection;
  beforeAll(async () => {
    nats = await startOwnNats();
    connection = await connect({ servers: `127.0.0.1:${nats.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    await (await jetstreamManager(connection)).streams.add({ name: 'AUDIT', subjects: ['audit.>'] });
  });
  afterAll(async () => {
    await connection.close();
    await nats.close();
  });

  const open = (more: object = {}) =>
    openDestination(
      {
        module: '../../../examples/destinations/nats-jetstream.ts',
        options: { servers: `127.0.0.1:${nats.port}`, subject, ...more },
      },
      import.meta.filename,
    );

  /** All messages of the stream. */
  async function received(): Promise<string[]> {
    return eventually(async () => {
      const { streams } = await jetstreamManager(connection);
      const { state } = await streams.info('AUDIT');
      const texts: string[] = [];
      for (let seq = state.first_seq; seq <= state.last_seq; seq += 1)
        texts.push((await streams.getMessage('AUDIT', { seq }))?.string() ?? '');
      return texts;
    });
  }

  for (const { name, run } of conformanceTests({
    open,
    received,
    outage: { begin: () => nats.stop(), end: () => nats.start() },
  }))
    test(name, run);

  test('a request that comes again puts no event into the stream twice', async () => {
    const id = '0197f0e0-0000-7000-8000-0000000000cc';
    const row = aRow({ id, line: `{"id":"${id}"}` });
    for (let time = 0; time < 2; time += 1) expect(await deliver(await open(), [row])).toEqual({ kind: 'taken' });
    expect((await received()).filter((text) => text.includes(id))).toHaveLength(1);
  });

  test('a subject of no stream is found by the check, and takes nothing', async () => {
    const destination = await open({ subject: 'nobody.reads' });
    expect(await destination.check(new AbortController().signal)).toEqual([
      { says: 'No stream has the subject nobody.reads.', stopsDelivery: true },
    ]);
    await expect(deliver(destination)).rejects.toThrow();
  });

  describe('on another host', () => {
    /** It leads to this machine, and is not loopback to anybody who reads it. */
    const host = '0.0.0.0';
    const check = async (more: object) => (await open(more)).check(new AbortController().signal);

    test('a server that does not encrypt gets no event, whatever the URL says', async () => {
      for (const scheme of ['', 'nats://', 'tls://']) {
        const servers = `${scheme}${host}:${nats.port}`;
        await expect(deliver(await open({ servers }))).rejects.toThrow("server does not support 'tls'");
        await expect(check({ servers })).rejects.toThrow("server does not support 'tls'");
      }
    });

    test('a server that does not encrypt gets no token', async () => {
      let sent = '';
      const server = createServer((socket) => {
        socket.on('data', (bytes) => {
          sent += bytes;
        });
        socket.on('error', () => {});
        socket.write('INFO {"server_id":"x","version":"2.11.0","proto":1,"headers":true,"max_payload":1000000}\r\n');
      });
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as AddressInfo;
      await expect(check({ servers: `tls://${host}:${port}`, token: 'secret' })).rejects.toThrow();
      expect(sent).toBe('');
      await new Promise((closed) => server.close(closed));
    });

    test('a server that encrypts takes events, if the authority vouches for its address', async () => {
      const authority = await createAuthority();
      const secure = await startOwnNats(await authority.issue({ addresses: [host] }));
      const ca = join(secure.folder, 'ca.pem');
      await writeFile(ca, authority.certificate);
      const tls = { ca: authority.certificate, host };
      const own = await connect({ servers: `${host}:${secure.port}`, tls });
      await (await jetstreamManager(own)).streams.add({ name: 'AUDIT', subjects: ['audit.>'] });
      await own.close();
      expect(await deliver(await open({ servers: `${host}:${secure.port}`, ca }))).toEqual({ kind: 'taken' });
      await expect(check({ servers: `${host}:${secure.port}` })).rejects.toThrow();
      await expect(check({ servers: `127.0.0.1:${secure.port}`, ca })).rejects.toThrow();
      await secure.close();
    });
  });
});
