import { parseDatabaseUrl } from '@auditbox/core/database-url.ts';
import { expect, test } from 'vitest';

const tls = (mode: string, more = {}) => ({
  mode,
  rootCertificate: null,
  client: null,
  negotiation: 'postgres',
  ...more,
});
const one = (host: string, port = 5432) => [{ host, port }];

test.each([
  [
    'Neon',
    'postgresql://neondb_owner:npg_Ab1@ep-cool-1-pooler.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require',
    {
      servers: one('ep-cool-1-pooler.eu-central-1.aws.neon.tech'),
      user: 'neondb_owner',
      password: 'npg_Ab1',
      database: 'neondb',
      tls: tls('verify-full'),
    },
  ],
  [
    'Neon for old clients',
    'postgres://u:p@ep.neon.tech/neondb?sslmode=require&options=endpoint%3Dep-cool-1',
    { options: 'endpoint=ep-cool-1', tls: tls('require') },
  ],
  [
    'Supabase, direct',
    'postgresql://postgres:pw@db.abcdefgh.supabase.co:5432/postgres',
    { servers: one('db.abcdefgh.supabase.co'), tls: tls('prefer'), isPooled: false },
  ],
  [
    'Supabase, pooler, for Prisma',
    'postgresql://postgres.abcdefgh:pw@aws-0-eu.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1',
    { user: 'postgres.abcdefgh', servers: one('aws-0-eu.pooler.supabase.com', 6543), isPooled: true },
  ],
  [
    'RDS',
    'postgres://master:pw@db.c1.eu-west-1.rds.amazonaws.com:5432/audit?sslmode=verify-full&sslrootcert=/etc/global-bundle.pem',
    { tls: tls('verify-full', { rootCertificate: '/etc/global-bundle.pem' }) },
  ],
  [
    'Cloud SQL, socket',
    'postgresql://u:p@/audit?host=/cloudsql/project:region:instance',
    {
      socket: '/cloudsql/project:region:instance/.s.PGSQL.5432',
      servers: [],
      database: 'audit',
      tls: { mode: 'disable' },
    },
  ],
  [
    'Cloud SQL, client certificate',
    'postgresql://u:p@10.1.2.3/audit?sslmode=verify-ca&sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem',
    { tls: tls('verify-ca', { rootCertificate: 'ca.pem', client: { certificate: 'c.pem', key: 'k.pem' } }) },
  ],
  ['Heroku', 'postgres://u:p@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d1', { tls: tls('prefer') }],
  [
    'Prisma',
    'postgresql://u:p@localhost:5432/mydb?schema=public&connect_timeout=10&pool_timeout=20',
    { database: 'mydb' },
  ],
  [
    'two hosts',
    'postgres://u:p@a.example:5432,b.example:5433/d?target_session_attrs=read-write',
    { servers: [...one('a.example'), ...one('b.example', 5433)], attributes: 'read-write' },
  ],
  ['any server', 'postgres://u:p@a,b/d?target_session_attrs=any', { attributes: null }],
  [
    'a socket in /var/run',
    'postgres:///audit?host=/var/run/postgresql&user=u&port=5433',
    { socket: '/var/run/postgresql/.s.PGSQL.5433', user: 'u', password: null },
  ],
  [
    'a socket in the place of the host',
    'postgres://u@%2Fvar%2Frun%2Fpostgresql/audit',
    { socket: '/var/run/postgresql/.s.PGSQL.5432' },
  ],
  ['an IPv6 address', 'postgres://u:p@[2001:db8::1]:5433/d', { servers: one('2001:db8::1', 5433) }],
  ['a percent-encoded password', 'postgres://u:a%40b%3A%2F%25@h/d', { password: 'a@b:/%' }],
  [
    'a password with #, ?, @, : and /',
    'postgres://u:a#b?c@d:e/f@h/d',
    { password: 'a#b?c@d:e/f', servers: one('h'), database: 'd' },
  ],
  ['no host and no database', 'postgres://u:p@', { servers: one('localhost'), database: null }],
  [
    'require with a root certificate',
    'postgres://h/d?sslmode=require&sslrootcert=ca.pem',
    { tls: tls('verify-ca', { rootCertificate: 'ca.pem' }) },
  ],
  ["the system's root certificates", 'postgres://h/d?sslrootcert=system', { tls: tls('verify-full') }],
  ['no TLS', 'postgres://h/d?sslmode=disable&gssencmode=disable', { tls: { mode: 'disable' } }],
  ['a pooler', 'postgres://h/d?prepare=false', { isPooled: true }],
  ['an @ in a parameter', 'postgres://u:p@h/d?options=a@b', { password: 'p', options: 'a@b' }],
])('the form of %s is understood', (_who, url, expected) => {
  expect(parseDatabaseUrl(url)).toMatchObject(expected);
});

test.each([
  ['mysql://h/d', 'it is not of the form postgres://user:password@host:5432/database.'],
  ['postgres://u:hunter2@h/d?ssl=true', 'it has the parameter `ssl`, which Auditbox does not know.'],
  ['postgres://u:hunter2@h/d?search_path=x', 'it has the parameter `search_path`, which Auditbox does not know.'],
  [
    'postgres://u:hunter2@h/d?sslmode=no-verify',
    'its parameter `sslmode` is "no-verify"; it must be disable, allow, prefer, require, verify-ca, verify-full.',
  ],
  ['postgres://u:hunter2%@h/d', 'its password has a % that begins no percent-encoding; write %25 for %.'],
  ['postgres://u:hunter2@h:port/d', '"h:port" in it is not a host or host:port.'],
  // The host is missing, so the password is where its port would be.
  ['postgres://u:hunter2/d', '"u:…" in it is not a host or host:port.'],
  ['postgres://u:hunter2@h:99999/d', '"h:99999" in it is not a host or host:port.'],
  [
    'postgres://u:hunter2@h/d?host=other',
    'its parameter `host` is not the folder of a Unix socket; write a host name in front of the database.',
  ],
  ['postgres://u:hunter2@h/d?sslcert=c.pem', 'its parameters `sslcert` and `sslkey` belong together.'],
  [
    'postgres://u:hunter2@h/d?channel_binding=require&sslmode=disable',
    'its parameter `channel_binding` is require, which needs TLS, and `sslmode` is disable.',
  ],
  [
    'postgres://u:hunter2@h/d?gssencmode=require',
    'its parameter `gssencmode` is "require"; it must be disable, prefer.',
  ],
  [
    'postgres://u:hunter2@h!/d',
    'its host, port or database has a character that does not belong there; percent-encode it.',
  ],
])('%s is refused, without its password', (url, sentence) => {
  expect(() => parseDatabaseUrl(url)).toThrow(sentence);
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    expect(String(error)).not.toContain('hunter2');
  }
});
