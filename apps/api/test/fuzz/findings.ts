import { hashApiKey } from '@auditbox/db/keys/key-form.ts';
import type { TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { type Caller, expandScopes, type MadeKey, type WrittenRow } from './callers.ts';
import type { FuzzedRequest } from './surface.ts';
import { plantedSecret } from './written-events.ts';

/** What the events hold that were stored before the requests: those of the tenant `acme`, and those of others. */
export const marker = { any: 'zebra7', acme: 'zebra7acme', others: 'zebra7others' };

export interface FuzzedAnswer {
  readonly status: number;
  readonly type: string;
  readonly content: string;
  readonly headers: string;
}

/** Paths of routes whose answers are about all tenants. */
const ofAllTenants = /^\/(?:archive|destinations|exports)(?:\/|$)/;

/**
 * What is wrong with an answer, for an attacker or for a caller. What a key may do is decided by `callers`, and not by the
 * code of the api. `foreignIds` has the ids of events and keys of other tenants than `acme`.
 */
export function createFinder(
  callers: ReadonlyMap<string, Caller>,
  foreignIds: ReadonlySet<string>,
  otherSecrets: readonly string[],
) {
  const keys = [...callers.values()].flatMap(({ secrets, scopes }) => (scopes.length === 0 ? [] : secrets));
  const sent = keys.filter((key) => key !== null);
  const secrets = [...sent, ...sent.map(hashApiKey), ...otherSecrets, plantedSecret];

  const findSecret = (text: string) => secrets.find((secret) => text.includes(secret));

  function findInAnswer(request: FuzzedRequest, { status, type, content, headers }: FuzzedAnswer): string[] {
    const { scopes, tenant, denial } = callers.get(request.key) as Caller;
    const { access, path } = request.route;
    const found: string[] = [];
    const check = (isRight: boolean, what: string) => {
      if (!isRight) found.push(what);
    };
    check(status < 500, 'a 5xx');
    if (status >= 400 && request.method !== 'HEAD')
      check(isProblem(status, type, content), 'an error without its document');
    check(findSecret(`${headers}\n${content}`) === undefined, 'a secret');
    if (!scopes.includes('audit:read')) check(!content.includes(marker.any), 'an event for a key that may not read');
    if (tenant !== null) {
      check(!content.includes(marker.others), 'an event of another tenant');
      check(!/"tenant":"(?!acme")/.test(content), 'the name of another tenant');
      const named = `${request.path}\n${request.body}`.toLowerCase();
      // The reads of the tenant are its events too, and name what it asked for.
      const ids = content.matchAll(/"(?:id|object_id)":"([0-9a-f-]{36})"/g).map(([, id]) => id as string);
      check(!ids.some((id) => foreignIds.has(id) && !named.includes(id)), 'an id of another tenant');
    }
    // Elsewhere it is not certain that this route answered.
    const isHere = !request.isOdd && request.path.split('?')[0]?.split('/').length === path.split('/').length;
    if (access === 'public' || !isHere || [404, 405, 431].includes(status)) return found;
    if (scopes.length === 0) check([400, denial].includes(status), 'an answer for a key that is not valid');
    else {
      check(status !== 401, 'a 401 for a valid key');
      if (access !== 'any key' && !scopes.includes(access))
        check([400, 403].includes(status), 'an answer without the scope');
      if (tenant !== null && request.method !== 'HEAD' && ofAllTenants.test(path))
        check(status >= 400, 'an answer about all tenants');
    }
    return found;
  }

  return { findInAnswer, findSecret };
}

function isProblem(status: number, type: string, content: string): boolean {
  if (type !== 'application/problem+json; charset=utf-8') return false;
  const problem = JSON.parse(content);
  return problem.status === status && typeof problem.code === 'string' && typeof problem.request_id === 'string';
}

/** Every event that a key stored and should not have, and every key that got more rights than the one that made it. */
export async function findInDatabase(callers: ReadonlyMap<string, Caller>, { sql }: TestDatabase): Promise<string[]> {
  const found: string[] = [];
  const rows = await sql<(WrittenRow & { by: string; id: string })[]>`
    select id, recorded_by as by, tenant, table_name, changed_by, action,
      content_hash is null and table_name in ('auditbox.api_key', 'auditbox.destination') as "isChange",
      extract(epoch from recorded_at - occurred_at)::float8 / 86400 as days
    from auditbox.audit_log where recorded_by ~ '^(key|oidc):'`;
  const changed = await sql<(MadeKey & { by: string; how: string; ofTenant: string })[]>`
    select k.key_id as id, array_to_json(k.scopes) as scopes, k.tenant, k.bounds,
      extract(epoch from k.expires_at)::float8 * 1000 as "expiresAtMs", e.recorded_by as by, e.action as how,
      e.tenant as "ofTenant"
    from auditbox.api_key k join auditbox.audit_log e on e.object_id = k.key_id::text
    where e.table_name = 'auditbox.api_key' and e.content_hash is null and e.recorded_by ~ '^(key|oidc):'`;
  for (const key of changed)
    if (key.ofTenant !== (key.tenant ?? ''))
      found.push(`The event of a key has another tenant than the key: ${JSON.stringify(key)}.`);
  for (const [name, { recordedBy, scopes, tenant, mayWrite, mayMake }] of callers) {
    if (recordedBy === null) continue;
    const isOwn = ({ by }: { by: string }) => by === recordedBy || by.startsWith(`${recordedBy}:`);
    const note = (did: string, what: object) => found.push(`The key "${name}" ${did} ${JSON.stringify(what)}.`);
    for (const row of rows.filter(isOwn)) if (!mayWrite(row)) note('stored', row);
    for (const key of changed.filter(isOwn)) {
      if (!scopes.includes('keys:admin') || (tenant !== null && key.tenant !== tenant)) note('changed', key);
      const hasMore = expandScopes(key.scopes).some((scope) => !scopes.includes(scope));
      // A key may revoke one that may do more.
      if (key.how !== 'deleted' && (hasMore || !mayMake(key))) note('made', key);
    }
  }
  return found;
}
