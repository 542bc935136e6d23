import { newKeySchema } from '@auditbox/core/keys/key-bounds.ts';
import type { Grant } from '@auditbox/core/keys/scopes.ts';
import type { StoredKey } from '@auditbox/db/keys/find-keys.ts';
import type { Request } from 'express';
import { z } from 'zod';
import { actorOf, type Caller, getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { runInPieces } from '../http/long-work.ts';
import { HttpProblem } from '../http/problem.ts';
import { invalidBody, readJsonBody, smallBody } from '../http/read-json-body.ts';
import type { Route } from '../http/route.ts';
import { nextCursor } from '../read/event-answer.ts';
import { wholeNumber } from '../read/parameters.ts';
import { getSearch, invalid, readQuery, requireValid } from '../read/read-query.ts';
import { findGain, inheritRights, issueSecret } from './issue-key.ts';
import { printKeyCursor, readKeyCursor } from './key-cursor.ts';
import type { KeyStore } from './key-store.ts';
import { showKey, shownKey } from './show-key.ts';

/* The routes of people and programs that manage keys. Each change is an audit event in the same transaction. */

const access = 'keys:admin';

const issuedKey = z
  .strictObject({ id: z.guid(), name: z.string(), key: z.string().describe('It is not shown again.') })
  .meta({ id: 'IssuedApiKey' });

/** `POST /keys`: makes a key. */
export const postKey: Route = {
  method: 'post',
  path: '/keys',
  access,
  body: smallBody,
  problems: [409, 422],
  operation: () => ({
    operationId: 'createKey',
    summary: 'Make a key',
    description:
      'Its rights are at most those of your key. Bounds, a tenant and an end that you do not give are those of your key. The change is an audit event.',
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: newKeySchema.meta({ id: 'NewApiKey' }),
          examples: { writer: { value: { name: 'billing', scopes: ['write'], bounds: { table_name: ['invoices'] } } } },
        },
      },
    },
    responses: { 201: { description: 'The key.', content: { 'application/json': { schema: issuedKey } } } },
  }),
  createHandler:
    ({ settings, keys }) =>
    async (request, response) => {
      const caller = getCaller(response);
      const {
        name,
        scopes,
        tenant = null,
        bounds = {},
        expires_at: expiresAt = null,
      } = readJsonBody(newKeySchema, request);
      if (expiresAt !== null && Date.parse(expiresAt) <= Date.now())
        throw invalidBody([{ path: 'expires_at', message: 'must be in the future' }]);
      const rights = inheritRights({ scopes: scopes as Grant[], tenant, bounds, expiresAt }, caller);
      requireNoGain(await runInPieces(findGain(rights, caller)));
      const { key, ...secret } = issueSecret(settings.keyEnvironment);
      const id = await keys.create({ name, ...secret, ...rights }, actorOf(caller));
      if (id === null) throw new HttpProblem(409, `A valid key named "${name}" exists already.`);
      sendJson(response, 201, JSON.stringify({ id, name, key }));
    },
};

const listParameters = z.strictObject({
  page_size: wholeNumber(1, 1_000).default(1_000).describe('1 to 1000, default 1000.'),
  cursor: z.string().optional().describe('`next_cursor` of the previous answer. An empty cursor is the beginning.'),
});

const keyPage = z.strictObject({ keys: z.array(shownKey), next_cursor: nextCursor }).meta({ id: 'ApiKeys' });

/** `GET /keys`: the keys that the caller may know of. */
export const getKeys: Route = {
  method: 'get',
  path: '/keys',
  access,
  problems: [],
  operation: () => ({
    operationId: 'listKeys',
    summary: 'List keys',
    description:
      'Also revoked and expired ones, oldest first. A key that is bound to a tenant sees the keys of its tenant. A page ends ' +
      'early where keys have many bounds.',
    requestParams: { query: listParameters },
    responses: { 200: { description: 'The keys.', content: { 'application/json': { schema: keyPage } } } },
  }),
  createHandler:
    ({ keys }) =>
    async (request, response) => {
      const { page_size: limit, cursor = '' } = requireValid(readQuery(listParameters, getSearch(request))).named;
      const place = cursor === '' ? { place: null } : readKeyCursor(cursor);
      if ('message' in place) return requireValid(invalid('cursor', place.message));
      const page = await keys.list({ tenant: getCaller(response).tenant, after: place.place, limit });
      const answer = { keys: page.keys.map(showKey), next_cursor: page.next && printKeyCursor(page.next) };
      sendJson(response, 200, JSON.stringify(answer satisfies z.output<typeof keyPage>));
    },
};

const rotation = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(30 * 86_400)
    .default(86_400)
    .describe('How long the old secret stays valid. Default: a day.'),
});

/** `POST /keys/:id/rotate`: gives a key a new secret. */
export const postKeyRotation: Route = {
  method: 'post',
  path: '/keys/:id/rotate',
  access,
  body: smallBody,
  problems: [404, 422],
  operation: () => ({
    operationId: 'rotateKey',
    summary: 'Give a key a new secret',
    description: 'The new secret has the same rights and the same id. The old one expires after the overlap.',
    requestParams: { path: z.object({ id: z.guid() }) },
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: rotation.meta({ id: 'KeyRotation' }),
          examples: { now: { value: { overlap_seconds: 0 } } },
        },
      },
    },
    responses: { 201: { description: 'The new secret.', content: { 'application/json': { schema: issuedKey } } } },
  }),
  createHandler:
    ({ settings, keys }) =>
    async (request, response) => {
      const caller = getCaller(response);
      const { overlap_seconds: overlapS } = readJsonBody(rotation, request);
      const old = await findVisible(caller, request, keys);
      requireNoGain(await runInPieces(findGain(old, caller)));
      const { key, ...secret } = issueSecret(settings.keyEnvironment);
      if (!(await keys.rotate(old.keyId, secret, overlapS, actorOf(caller)))) throw noSuchKey();
      sendJson(response, 201, JSON.stringify({ id: old.keyId, name: old.name, key }));
    },
};

/** `DELETE /keys/:id`: revokes a key. */
export const deleteKey: Route = {
  method: 'delete',
  path: '/keys/:id',
  access,
  problems: [404],
  operation: () => ({
    operationId: 'revokeKey',
    summary: 'Revoke a key',
    description:
      'For ever, with all its secrets. Every api rejects it within 5 seconds; a running export ends by then.',
    requestParams: { path: z.object({ id: z.guid() }) },
    responses: { 204: { description: 'The key is revoked.' } },
  }),
  createHandler:
    ({ keys }) =>
    async (request, response) => {
      const caller = getCaller(response);
      const { keyId } = await findVisible(caller, request, keys);
      if (!(await keys.revoke(keyId, actorOf(caller)))) throw noSuchKey();
      response.writeHead(204).end();
    },
};

/** The newest secret of the key in the path. */
async function findVisible(
  { tenant }: Caller,
  request: Request,
  keys: Pick<KeyStore, 'findStored'>,
): Promise<StoredKey> {
  const id = z.guid().safeParse(request.params.id);
  const found = id.success ? await keys.findStored(id.data.toLowerCase(), tenant) : null;
  if (found === null) throw noSuchKey();
  return found;
}

function requireNoGain(gain: string | null): void {
  if (gain !== null) throw new HttpProblem(403, `A key cannot get more rights than yours has. ${gain}`);
}

function noSuchKey(): HttpProblem {
  return new HttpProblem(404, 'There is no valid key with this id.');
}
