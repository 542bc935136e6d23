import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { makeApiKey } from '@auditbox/db/keys/key-form.ts';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import type { OidcIssuer } from '@auditbox/testing/servers/oidc-issuer.ts';

/** An event that a key wrote, or caused, as it is stored. */
export interface WrittenRow {
  /** Whether the database made it of a change of a key or a destination. The api hashes the events that it writes. */
  readonly isChange: boolean;
  readonly tenant: string;
  readonly table_name: string;
  readonly changed_by: string;
  readonly action: string;
  readonly days: number;
}

/** A key that another key made, as it is stored. */
export interface MadeKey {
  readonly scopes: readonly string[];
  readonly tenant: string | null;
  readonly bounds: Readonly<Record<string, unknown>>;
  readonly expiresAtMs: number | null;
}

/** A kind of key, and what it may do. The tests decide that here, without the code of the api. */
export interface Caller {
  /** What requests send as the key, one of them each. Null: nothing. */
  readonly secrets: readonly (string | null)[];
  /** No scope: the key is not valid. */
  readonly scopes: readonly string[];
  /** Null: all tenants. */
  readonly tenant: string | null;
  /** What `recorded_by` of its events begins with. Null where several kinds have the same. */
  readonly recordedBy: string | null;
  readonly mayWrite: (row: WrittenRow) => boolean;
  readonly mayMake: (key: MadeKey) => boolean;
  /** The status of its requests if it is not valid. */
  readonly denial: 401 | 403;
  /** The api that it asks: the second one has no master key, and its tokens need a tenant. */
  readonly api: 'first' | 'second';
}

const allScopes = ['audit:read', 'audit:write', 'export:read', 'export:replay', 'keys:admin'];
const bundles: Readonly<Record<string, readonly string[]>> = {
  read: ['audit:read', 'export:read'],
  write: ['audit:write'],
  admin: allScopes,
};
/** The network of a header that attackers add, and of no caller. */
const elsewhere = '192.0.2.0/24';

const always = () => true;
const unlimited = {
  tenant: null,
  recordedBy: null,
  mayWrite: always,
  mayMake: always,
  denial: 401,
  api: 'first',
} as const;
const invalid = (secrets: readonly (string | null)[]): Caller => ({ ...unlimited, secrets, scopes: [] });

export function expandScopes(given: readonly string[]): string[] {
  return given.flatMap((scope) => bundles[scope] ?? [scope]);
}

/** Makes keys and tokens of every kind, by their names. */
export async function makeCallers(
  makeKey: (wanted: object) => Promise<{ readonly id: string; readonly key: string }>,
  endKey: (id: string, how: 'revoke' | 'expire') => Promise<void>,
  issuer: OidcIssuer,
): Promise<Map<string, Caller>> {
  const callers = new Map<string, Caller>();

  async function add(name: string, scopes: readonly string[], limits: object = {}, expected: Partial<Caller> = {}) {
    const { id, key } = await makeKey({ scopes, ...limits });
    const rights = { scopes: expandScopes(scopes), recordedBy: `key:${id}`, ...expected };
    callers.set(name, { ...unlimited, secrets: [key], ...rights });
  }

  for (const scope of [...allScopes, ...Object.keys(bundles)]) await add(scope, [scope]);
  await add('tenant', ['admin'], { tenant: 'acme' }, isOfTenant('acme'));
  await add(
    'table',
    ['write'],
    { bounds: { table_name: ['teams'] } },
    { mayWrite: (row) => row.table_name === 'teams' },
  );
  await add('action', ['write'], { bounds: { action: ['updated'] } }, { mayWrite: (row) => row.action === 'updated' });
  await add('actor', ['write'], { bounds: { changed_by: ['svc-*'] } }, { mayWrite: isByService });
  await add('days', ['write'], { bounds: { oldest_event_days: 10 } }, { mayWrite: isRecent });
  const endsAt = Date.now() + 86_400_000;
  const bounds = { table_name: ['teams'], changed_by: ['svc-*'], oldest_event_days: 10, addresses: ['127.0.0.0/8'] };
  await add(
    'bounds',
    ['admin'],
    { bounds, expires_at: new Date(endsAt).toISOString() },
    {
      mayWrite: (row) => row.isChange || (row.table_name === 'teams' && isByService(row) && isRecent(row)),
      mayMake: (made) => isBound(made) && made.expiresAtMs !== null && made.expiresAtMs <= endsAt,
    },
  );
  const far = await makeKey({ scopes: ['admin'], bounds: { addresses: [elsewhere] } });
  callers.set('address', { ...invalid([far.key]), denial: 403 });

  const revoked = await makeKey({ scopes: ['admin'] });
  await endKey(revoked.id, 'revoke');
  callers.set('revoked', invalid([revoked.key]));
  const expired = await makeKey({ scopes: ['admin'] });
  await endKey(expired.id, 'expire');
  callers.set('expired', invalid([expired.key]));
  callers.set('none', invalid([null]));
  callers.set('unknown', invalid([makeApiKey('live'), makeApiKey('test'), `ab_${'A'.repeat(43)}`]));
  const valid = callers.get('admin')?.secrets[0] as string;
  callers.set('forged', invalid([masterKey, valid].flatMap(alter)));
  callers.set('master', { ...unlimited, secrets: [masterKey], scopes: allScopes, recordedBy: 'key:master' });
  callers.set('master that is off', { ...invalid([masterKey]), api: 'second' });

  for (const scope of ['read', 'write', 'admin']) {
    const token = await issuer.issue({ scope, lifetimeS: 86_400 });
    callers.set(`token: ${scope}`, { ...unlimited, secrets: [token], scopes: expandScopes([scope]) });
  }
  const ofTenant = issuer.sign({ ...claims(issuer), sub: 'acme-robot', org: 'acme' });
  callers.set('token: tenant', {
    ...unlimited,
    ...isOfTenant('acme'),
    secrets: [ofTenant],
    scopes: allScopes,
    recordedBy: `oidc:${issuer.url}:acme-robot`,
    api: 'second',
  });
  const withoutTenant = [undefined, null, '', ['acme'], { acme: true }, 'acme\u200b'];
  callers.set('token: no tenant', {
    ...invalid(withoutTenant.map((org) => issuer.sign({ ...claims(issuer), org }))),
    api: 'second',
  });
  const now = Math.floor(Date.now() / 1000);
  const wrong = (changes: readonly object[]) =>
    invalid(changes.map((changed) => issuer.sign({ ...claims(issuer), ...changed })));
  callers.set('token: expired', wrong([{ exp: now - 60 }, { exp: 0 }, { exp: undefined }, { nbf: now + 90_000 }]));
  callers.set('token: other audience', wrong([{ aud: 'urn:other' }, { aud: ['urn:auditbox2'] }, { aud: undefined }]));
  callers.set('token: other issuer', wrong([{ iss: `${issuer.url}/` }, { iss: 'https://login.example' }]));
  callers.set('token: unknown kid', invalid(Array.from({ length: 50 }, () => forge(issuer, { kid: randomUUID() }))));
  callers.set('token: forged', invalid(forgeTokens(issuer, issuer.sign(claims(issuer)))));
  return callers;
}

function isOfTenant(tenant: string): Pick<Caller, 'tenant' | 'mayWrite' | 'mayMake'> {
  return { tenant, mayWrite: (row) => row.tenant === tenant, mayMake: (made) => made.tenant === tenant };
}

const isByService = ({ changed_by: by }: WrittenRow) => by.startsWith('svc-');
/** The days are counted when the event arrives, a little before it is stored. */
const isRecent = ({ days }: WrittenRow) => days < 10.01;

function isBound({ bounds }: MadeKey): boolean {
  const areAll = (name: string, isWithin: (text: string) => boolean) =>
    Array.isArray(bounds[name]) && (bounds[name] as string[]).every(isWithin);
  return (
    bounds.signs_keys !== true &&
    areAll('table_name', (text) => text === 'teams') &&
    areAll('changed_by', (text) => text.startsWith('svc-')) &&
    areAll('addresses', (text) => /^127\.[\d.]+(?:\/([89]|[12]\d|3[012]))?$/.test(text)) &&
    Number(bounds.oldest_event_days ?? Number.NaN) <= 10
  );
}

/** Keys that are almost a valid one. */
function alter(key: string): string[] {
  return [
    ...[key.slice(0, -1), `${key}x`, `x${key}`, key.toUpperCase(), key.toLowerCase(), [...key].reverse().join('')],
    ...[
      `${key},${key}`,
      `"${key}"`,
      `${key}.`,
      `${key}\t${key}`,
      key.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    ],
    ...[`${key} ${key}`, Buffer.from(key).toString('base64'), encodeURIComponent(`${key}\0`), `${key}=`],
  ].filter((one) => one !== key);
}

const claims = ({ url }: OidcIssuer) => ({
  iss: url,
  aud: 'urn:auditbox',
  sub: 'mallory',
  scope: 'admin',
  exp: Math.floor(Date.now() / 1000) + 86_400,
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });

/** A token that a stranger signed. */
function forge(issuer: OidcIssuer, header: object): string {
  const text = `${part({ alg: 'RS256', ...header })}.${part(claims(issuer))}`;
  return `${text}.${sign('sha256', Buffer.from(text), stranger.privateKey).toString('base64url')}`;
}

function forgeTokens(issuer: OidcIssuer, valid: string): string[] {
  const [header = '', payload = '', signature = ''] = valid.split('.');
  const wide = part({ ...claims(issuer), scope: 'admin', sub: 'root' });
  const byPublicKey = `${part({ alg: 'HS256', kid: 'key-1' })}.${wide}`;
  return [
    ...['none', 'None', 'NONE'].map((alg) => `${part({ alg })}.${wide}.AAAA`),
    `${byPublicKey}.${createHmac('sha256', issuer.publicKey()).update(byPublicKey).digest('base64url')}`,
    ...[
      `${header}.${wide}.${signature}`,
      `${header}.${payload}.${signature.slice(0, -4)}`,
      `${header}.${payload}.AAAA`,
    ],
    forge(issuer, { kid: 'key-1' }),
    forge(issuer, { jwk: stranger.publicKey.export({ format: 'jwk' }) }),
    forge(issuer, { jku: `${issuer.url}/jwks`, kid: 'key-1', crit: ['x'], x: 1 }),
    ...['eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.x', 'a.b.c', `${part([])}.${part([])}.AAAA`, `${header}.${payload}.`],
  ];
}
