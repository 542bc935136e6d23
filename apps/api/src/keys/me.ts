import { scopes } from '@auditbox/core/keys/scopes.ts';
import { z } from 'zod';
import { getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';

const caller = z
  .strictObject({
    id: z.string().describe('The id of the key; `master` for the master key; `oidc:` and the subject for a token.'),
    name: z.string(),
    scopes: z.array(z.enum(scopes)),
    tenant: z.string().nullable().describe('The only tenant that the key reads and writes; null for all tenants.'),
  })
  .meta({ id: 'Caller', description: 'Who the caller is, and what it may do.' });

/** `GET /me`: who the caller's key is, so that a page can say what it will not be able to show. */
export const getMe: Route = {
  method: 'get',
  path: '/me',
  access: 'any key',
  problems: [],
  operation: () => ({
    operationId: 'getCaller',
    summary: 'Who your key is',
    responses: { 200: { description: 'The caller.', content: { 'application/json': { schema: caller } } } },
  }),
  createHandler: () => (_request, response) => {
    const { id, name, scopes: granted, tenant } = getCaller(response);
    const shown = { id, name, scopes: [...granted], tenant: tenant.kind === 'one' ? tenant.tenant : null };
    sendJson(response, 200, JSON.stringify(shown));
  },
};
