import { randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createTrust, parseAuthorities } from '@auditbox/s3/authorities.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { createAuthority, type TestAuthority } from '@auditbox/testing/servers/test-authority.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHttpClient } from '../src/destinations/http/http-client.ts';
import { createTlsFiles } from '../src/destinations/tls/tls-files.ts';

/* Authorities and client certificates of destinations that are rotated on disk. */

interface Identity {
  readonly authority: TestAuthority;
  readonly key: string;
  readonly certificate: string;
}

let folder: string;
let older: Identity;
let newer: Identity;
let server: Server;
let url: string;
/** Fingerprints of the client certificates of the requests. */
let seen: string[];
const names = ['ca', 'cert', 'key'] as const;
const path = (name: (typeof names)[number]) => join(folder, `${name}.pem`);
const paths = () => ({ ca: path('ca'), cert: path('cert'), key: path('key') });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditbox-rotated-'));
  [older, newer] = await Promise.all([createIdentity(), createIdentity()]);
  await install(older);
  seen = [];
  server = createServer(
    { ...(await serverOptions(older)), requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      seen.push((request.socket as TLSSocket).getPeerCertificate().fingerprint256);
      request.resume().on('end', () => response.end());
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/audit`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

async function createIdentity(): Promise<Identity> {
  const authority = await createAuthority();
  return { authority, ...(await authority.issue({ names: ['exporter'] })) };
}

/** The server has a certificate of the authority, and trusts its clients. */
async function serverOptions({ authority }: Identity) {
  const { key, certificate } = await authority.issue({ addresses: ['127.0.0.1'] });
  return { key, cert: certificate, ca: authority.certificate };
}

async function install({ authority, key, certificate }: Identity): Promise<void> {
  await writeFile(path('ca'), authority.certificate);
  await writeFile(path('cert'), certificate);
  await writeFile(path('key'), key);
}

const fingerprint = ({ certificate }: Identity) => new X509Certificate(certificate).fingerprint256;
const pem = ({ authority, key, certificate }: Identity) => ({
  ca: { path: path('ca'), text: authority.certificate },
  cert: { path: path('cert'), text: certificate },
  key: { path: path('key'), text: key },
});

test('a running exporter uses an authority and a client certificate that were rotated, once the receiver refuses the older ones', async () => {
  const rig = await createDestinationFixture();
  try {
    const secrets = [`whsec_${randomBytes(32).toString('base64')}`];
    const app = await rig.serve([{ name: 'soc', type: 'webhook', url, secrets, ...paths() }]);
    await app.event('destination-added');
    await rig.db.store([anEvent()]);
    await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done']));
    expect(new Set(seen)).toEqual(new Set([fingerprint(older)]));

    server.setSecureContext(await serverOptions(newer));
    server.closeAllConnections();
    await rig.db.store([anEvent()]);
    await app.event('request-retried');
    await install(newer);
    await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done', 'done']));
    expect(seen.at(-1)).toBe(fingerprint(newer));
    const isUsed = ({ msg }: { readonly msg?: unknown }) => String(msg).includes('in use for new connections');
    expect(await app.event('destination-log', isUsed)).toMatchObject({ destination: 'soc' });
  } finally {
    await rig.close();
  }
});

test('a connection of the older certificate is not used for a new request', async () => {
  const next = await older.authority.issue({ names: ['exporter'] });
  const client = createHttpClient({ tls: createTlsFiles(pem(older), () => {}, 0) });
  const send = () => client.send({ url, body: 'x' }, AbortSignal.timeout(600_000));
  await send();
  await send();
  await writeFile(path('cert'), next.certificate);
  await writeFile(path('key'), next.key);
  await send();
  client.close();
  const former = fingerprint(older);
  expect(seen).toEqual([former, former, new X509Certificate(next.certificate).fingerprint256]);
});

test.each([
  ['a certificate whose key is not there yet', () => writeFile(path('cert'), newer.certificate)],
  ['a key that is half written', () => writeFile(path('key'), newer.key.slice(0, 100))],
  ['an authority that is half written', () => writeFile(path('ca'), newer.authority.certificate.slice(0, 100))],
  ['a file that is gone', () => rm(path('key'))],
])('%s leaves the former files in use, is logged once, and ends when all files are there', async (_name, damage) => {
  const log: string[] = [];
  const read = createTlsFiles(pem(older), (level, message) => log.push(`${level} ${message}`), 0);
  const before = read();
  await damage();
  for (let time = 0; time < 3; time += 1) expect(read()).toBe(before);
  expect(log).toEqual([expect.stringMatching(/^warn .*The former ones stay in use/)]);
  expect(log.join()).not.toContain('PRIVATE KEY');
  await install(newer);
  expect(read()).toMatchObject({ cert: newer.certificate, key: newer.key });
  expect(read().ca).toContain(newer.authority.certificate);
  expect(log.slice(1)).toEqual([expect.stringMatching(/^info .*in use/)]);
});

test('half a file of authorities, an empty one or none leaves the former authorities of a store in use', async () => {
  const file = path('ca');
  const [first, second] = [older.authority.certificate, newer.authority.certificate];
  const trust = createTrust(parseAuthorities(first, file), 0);
  const former = trust();
  for (const text of [second.slice(0, second.length / 2), `${first}${second}`.replace(/[A-Z]{8}/g, 'AAAAAAAA'), '']) {
    await writeFile(file, text);
    expect(trust()).toBe(former);
  }
  await rm(file);
  expect(trust()).toBe(former);
  await writeFile(file, `${first}${second}`);
  expect(trust()).not.toBe(former);
});
