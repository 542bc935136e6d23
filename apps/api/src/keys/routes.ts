import { newKeySchema } from '@auditbox/core/keys/key-bounds.ts';
import type { Grant } from '@auditbox/core/keys/scopes.ts';
import type { StoredKey } from '@auditbox/db/keys/find-keys.ts';
import type { Request } from 'express';
import { z } from 'zod';
import { actorOf, type Caller, getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { HttpProblem } from '../http/problem.ts';
import { readJsonBody, smallBody } from '../http/read-json-body.ts';
import type { Route } from '../http/route.ts';
import { findGain, inheritRights, issueSecret } from './issue-key.ts';
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
      const rights = inheritRights({ scopes: scopes as Grant[], tenant, bounds, expiresAt }, caller);
      requireNoGain(findGain(rights, caller));
      const { key, ...secret } = issueSecret(settings.keyEnvironment);
      const id = await keys.create({ name, ...secret, ...rights }, actorOf(caller));
      if (id === null) throw new HttpProblem(409, `A valid key named "${name}" exists already.`);
      sendJson(response, 201, JSON.stringify({ id, name, key }));
    },
};

/** `GET /keys`: all keys that the caller may know of. */
export const getKeys: Route = {
  method: 'get',
  path: '/keys',
  access,
  problems: [],
  operation: () => ({
    operationId: 'listKeys',
    summary: 'List keys',
    description:
      'Also revoked and expired ones, oldest first. A key that is bound to a tenant sees the keys of its tenant.',
    responses: {
      200: {
        description: 'The keys.',
        content: {
          'application/json': { schema: z.strictObject({ keys: z.array(shownKey) }).meta({ id: 'ApiKeys' }) },
        },
      },
    },
  }),
  createHandler:
    ({ keys }) =>
    async (_request, response) => {
      const visible = await listVisible(getCaller(response), keys.list);
      sendJson(response, 200, JSON.stringify({ keys: visible.map(showKey) }));
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
      const old = await findVisible(caller, request, keys.list);
      requireNoGain(findGain(old, caller));
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
      const { keyId } = await findVisible(caller, request, keys.list);
      if (!(await keys.revoke(keyId, actorOf(caller)))) throw noSuchKey();
      response.writeHead(204).end();
    },
};

async function listVisible(
  { tenant }: Caller,
  list: () => Promise<readonly StoredKey[]>,
): Promise<readonly StoredKey[]> {
  const keys = await list();
  return tenant.kind === 'all' ? keys : keys.filter((key) => key.tenant === tenant.tenant);
}

/** The newest secret of the key in the path. */
async function findVisible(
  caller: Caller,
  request: Request,
  list: () => Promise<readonly StoredKey[]>,
): Promise<StoredKey> {
  const keys = await listVisible(caller, list);
  const found = keys.findLast(({ keyId }) => keyId === String(request.params.id).toLowerCase());
  if (!found) throw noSuchKey();
  return found;
}

function requireNoGain(gain: string | null): void {
  if (gain !== null) throw new HttpProblem(403, `A key cannot get more rights than yours has. ${gain}`);
}

function noSuchKey(): HttpProblem {
  return new HttpProblem(404, 'There is no valid key with this id.');
}
