import { X509Certificate } from 'node:crypto';
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createAuthority, type TestAuthority } from '@auditbox/testing/servers/test-authority.ts';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let server: OwnPostgres;
let folder: string;
let authority: TestAuthority;
let authorityFile: string;
let strangerFile: string;

beforeAll(async () => {
  server = await startOwnPostgres();
  folder = await mkdtemp(join(tmpdir(), 'auditbox-tls-'));
  authority = await createAuthority();
  const stranger = await createAuthority();
  authorityFile = join(folder, 'authority.pem');
  strangerFile = join(folder, 'stranger.pem');
  await writeFile(authorityFile, authority.certificate);
  await writeFile(strangerFile, stranger.certificate);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

/** What a certificate is for. */
interface Names {
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
}

/** Gives the server a new certificate of the authority. Resolves when new connections get it. */
async function certify(names: Names): Promise<void> {
  const { key, certificate } = await authority.issue(names);
  const data = join(server.folder, 'postgres');
  const { uid, gid } = await stat(join(data, 'PG_VERSION'));
  for (const [file, text] of [
    ['server.crt', certificate],
    ['server.key', key],
  ] as const) {
    await writeFile(join(data, file), text);
    await chmod(join(data, file), 0o600);
    await chown(join(data, file), uid, gid);
  }
  await server.sql`alter system set ssl = on`;
  await server.sql`select pg_reload_conf()`;
  await eventually(async () => expect(await readFingerprint()).toBe(new X509Certificate(certificate).fingerprint256));
}

/** The fingerprint of the certificate that a new connection gets. */
async function readFingerprint(): Promise<string> {
  let fingerprint = '';
  const checkServerIdentity = (_name: string, certificate: PeerCertificate) => {
    fingerprint = certificate.fingerprint256;
    return undefined;
  };
  // Node asks for the identity only of certificates that it trusts.
  const sql = postgres(server.url, { max: 1, ssl: { ca: authority.certificate, checkServerIdentity } });
  try {
    await sql`select`;
    return fingerprint;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Whether a connection with these parameters is encrypted, or the code of the refusal. */
async function connectTo(host: string, parameters: string): Promise<string> {
  const url = Object.assign(new URL(server.url), { hostname: host });
  const db = connectDatabase({
    url: `${url.href}?${parameters}`,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 5_000,
  });
  try {
    const [row] = await db.query(
      (sql) => sql<[{ ssl: boolean }]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`,
    );
    return row.ssl ? 'encrypted' : 'in clear';
  } catch (error) {
    const { code, kind } = error as { code: string; kind: string };
    return `${code} ${kind}`;
  } finally {
    await db.close(100);
  }
}

const wrongName = 'ERR_TLS_CERT_ALTNAME_INVALID misconfigured';
const untrusted = expect.stringMatching(/CERT|SIGNATURE/);

test('a server without TLS is refused where encryption is asked for, and used in clear where it is not', async () => {
  expect(await connectTo('127.0.0.1', '')).toBe('in clear');
  expect(await connectTo('127.0.0.1', 'sslmode=prefer')).toBe('in clear');
  for (const mode of ['require', 'verify-ca', 'verify-full'])
    expect(await connectTo('127.0.0.1', `sslmode=${mode}`)).not.toMatch(/encrypted|clear/);
});

describe('a server whose certificate is for the name localhost', () => {
  beforeAll(() => certify({ names: ['localhost'] }));

  test.each([
    ['localhost', '', 'encrypted'],
    ['localhost', 'sslmode=prefer', 'encrypted'],
    ['localhost', 'sslmode=disable', 'in clear'],
    ['localhost', 'sslmode=require', 'encrypted'],
    ['127.0.0.1', 'sslmode=require', 'encrypted'],
    ['127.0.0.1', 'sslmode=require&sslrootcert=AUTHORITY', 'encrypted'],
    ['localhost', 'sslmode=require&sslrootcert=STRANGER', untrusted],
    ['127.0.0.1', 'sslmode=verify-ca&sslrootcert=AUTHORITY', 'encrypted'],
    ['localhost', 'sslmode=verify-ca&sslrootcert=STRANGER', untrusted],
    ['localhost', 'sslmode=verify-ca', untrusted],
    ['localhost', 'sslmode=verify-full', untrusted],
    ['localhost', 'sslmode=verify-full&sslrootcert=AUTHORITY', 'encrypted'],
    ['localhost', 'sslmode=verify-full&sslrootcert=STRANGER', untrusted],
    ['127.0.0.1', 'sslmode=verify-full&sslrootcert=AUTHORITY', wrongName],
    ['localhost', 'sslmode=require&channel_binding=require&sslrootcert=AUTHORITY', 'encrypted'],
    ['127.0.0.1', 'sslmode=require&channel_binding=require&sslrootcert=AUTHORITY', wrongName],
    ['localhost', 'sslmode=verify-full&sslnegotiation=direct&sslrootcert=AUTHORITY', 'encrypted'],
    ['localhost', 'sslmode=verify-full&sslrootcert=AUTHORITY&prepare=false', 'encrypted'],
  ])('%s with "%s": %s', async (host, parameters, outcome) => {
    const files = parameters.replace('AUTHORITY', authorityFile).replace('STRANGER', strangerFile);
    expect(await connectTo(host, files)).toEqual(outcome);
  });

  test('the migrator checks the certificate too', async () => {
    const of = (host: string) =>
      `${Object.assign(new URL(server.url), { hostname: host }).href}?sslmode=verify-full&sslrootcert=${authorityFile}`;
    await migrateDatabase(of('localhost'));
    await expect(migrateDatabase(of('127.0.0.1'))).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  });
});

test.each([
  [{ addresses: ['127.0.0.1'] }, '127.0.0.1', 'encrypted'],
  [{ addresses: ['127.0.0.2'] }, '127.0.0.1', wrongName],
  [{ addresses: ['127.0.0.1'] }, 'localhost', wrongName],
  [{ names: ['127.0.0.1'] }, '127.0.0.1', wrongName],
  [{ names: ['other.example'] }, 'localhost', wrongName],
  [{ names: ['other.example', 'localhost'] }, 'localhost', 'encrypted'],
  [{ names: ['localhost.other.example'] }, 'localhost', wrongName],
])('verify-full with a certificate for %o by %s: %s', async (names: Names, host, outcome) => {
  await certify(names);
  expect(await connectTo(host, `sslmode=verify-full&sslrootcert=${authorityFile}`)).toBe(outcome);
});

/** Writes a file that the server may read. */
async function writeForServer(name: string, text: string): Promise<void> {
  const data = join(server.folder, 'postgres');
  const { uid, gid } = await stat(join(data, 'PG_VERSION'));
  await writeFile(join(data, name), text);
  await chown(join(data, name), uid, gid);
}

test('a client certificate and an authority that are rotated on disk are used for new connections, once they fit together', async () => {
  await certify({ names: ['localhost'] });
  const [older, newer] = [await authority.issue({ names: ['a'] }), await authority.issue({ names: ['b'] })];
  const file = (name: string) => join(folder, `${name}.pem`);
  const serial = (certificate: string) => BigInt(`0x${new X509Certificate(certificate).serialNumber}`).toString();
  await writeForServer('clients.crt', authority.certificate);
  await server.sql`alter system set ssl_ca_file = 'clients.crt'`;
  await server.sql`select pg_reload_conf()`;
  await writeFile(file('root'), authority.certificate);
  await writeFile(file('cert'), older.certificate);
  await writeFile(file('key'), older.key);
  const url = Object.assign(new URL(server.url), { hostname: 'localhost' }).href;
  const files = `sslrootcert=${file('root')}&sslcert=${file('cert')}&sslkey=${file('key')}`;
  const options = { application: 'test', maxConnections: 1, statementTimeoutMs: 5_000 };
  const db: Database = connectDatabase({ ...options, url: `${url}?sslmode=verify-full&${files}` });
  let pid = 0;
  const readSerial = async () => {
    const [row] = await db.query(
      (sql) => sql<[{ pid: number; serial: string }]>`
        select pid, client_serial::text as serial from pg_stat_ssl where pid = pg_backend_pid()`,
    );
    pid = row.pid;
    return row.serial;
  };
  const reconnect = async () => {
    const before = pid;
    await server.sql`select pg_terminate_backend(${before})`;
    await eventually(async () => {
      await readSerial();
      expect(pid).not.toBe(before);
    });
    return readSerial();
  };
  try {
    await eventually(async () => expect(await readSerial()).toBe(serial(older.certificate)));
    await writeFile(file('cert'), newer.certificate);
    expect(await reconnect()).toBe(serial(older.certificate));
    await writeFile(file('key'), newer.key);
    expect(await reconnect()).toBe(serial(newer.certificate));

    // Another authority, for the server too.
    authority = await createAuthority();
    const client = await authority.issue({ names: ['c'] });
    await writeForServer('clients.crt', authority.certificate);
    await certify({ names: ['localhost'] });
    await writeFile(file('root'), authority.certificate);
    await writeFile(file('cert'), client.certificate);
    await writeFile(file('key'), client.key);
    expect(await reconnect()).toBe(serial(client.certificate));
    await writeFile(authorityFile, authority.certificate);
  } finally {
    await db.close(100);
  }
});

test('files that do not fit together are refused at the start', async () => {
  const { certificate } = await authority.issue({ names: ['a'] });
  const { key } = await authority.issue({ names: ['b'] });
  await writeFile(join(folder, 'other-cert.pem'), certificate);
  await writeFile(join(folder, 'other-key.pem'), key);
  const url = `${server.url}?sslcert=${join(folder, 'other-cert.pem')}&sslkey=${join(folder, 'other-key.pem')}`;
  const connect = () => connectDatabase({ url, application: 'test', maxConnections: 1, statementTimeoutMs: 5_000 });
  expect(connect).toThrow('cannot be used');
});
