import { type Actions, eventSchema } from '@auditbox/core/event/event-schema.ts';
import {
  createDocument,
  type ZodOpenApiObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiOverride,
  type ZodOpenApiResponseObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import { problemDocument } from './problem.ts';
import type { ProblemStatus, Route, WireForm } from './route.ts';

/* Makes the OpenAPI document (https://spec.openapis.org/oas/v3.1.1) from the list of routes. */

const description = `A durable audit log: who changed what, when.

Every route under \`/audit\` and \`/keys\` needs a key: \`Authorization: Bearer KEY\`. A key has scopes: \`audit:write\` records
events, \`audit:read\` reads them, \`keys:admin\` manages keys. \`write\`, \`read\` and \`admin\` stand for several of them. Errors are problem documents (RFC 9457) with a list of everything that is wrong.

Values are JSON and are kept as they were written: every digit, the order of keys, nulls. A parser that reads numbers as doubles
may lose digits.`;

/** The document of an api that accepts these actions. Its paths are below `pathPrefix`. */
export function openapiDocument(
  routes: readonly Route[],
  actions: Actions,
  pathPrefix = '',
): ReturnType<typeof createDocument> {
  const wire: WireForm = { actions, newAuditEvent: eventSchema(actions).meta({ id: 'NewAuditEvent' }) };
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: describe(route, wire) };
  }
  const document: ZodOpenApiObject = {
    openapi: '3.1.1',
    info: { title: 'Auditbox', version: '1', description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: pathPrefix === '' ? '/' : pathPrefix }],
    tags: [
      { name: 'Write', description: 'Needs a key with the scope `audit:write`.' },
      { name: 'Read', description: 'Needs a key with the scope `audit:read`.' },
      { name: 'Keys', description: 'Needs a key with the scope `keys:admin`; `/me` needs any key.' },
      { name: 'Health', description: 'Needs no key. The metrics need `METRICS_TOKEN` where that is set.' },
    ],
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'Made with `npm run keys` or `POST /keys`.',
        },
        metricsToken: { type: 'http', scheme: 'bearer', description: 'The setting `METRICS_TOKEN`.' },
      },
    },
    paths,
  };
  return createDocument(document, { override: dropNoise });
}

const accessMembers: Readonly<Record<Route['access'], Pick<ZodOpenApiOperationObject, 'tags' | 'security'>>> = {
  'audit:write': { tags: ['Write'], security: [{ key: ['audit:write'] }] },
  'audit:read': { tags: ['Read'], security: [{ key: ['audit:read'] }] },
  'export:read': { tags: ['Read'], security: [{ key: ['export:read'] }] },
  'export:replay': { tags: ['Write'], security: [{ key: ['export:replay'] }] },
  'keys:admin': { tags: ['Keys'], security: [{ key: ['keys:admin'] }] },
  'any key': { tags: ['Keys'], security: [{ key: [] }] },
  public: { tags: ['Health'], security: [] },
};

function describe(route: Route, wire: WireForm): ZodOpenApiOperationObject {
  const { responses, ...operation } = route.operation(wire);
  return { ...accessMembers[route.access], ...operation, responses: { ...responses, ...describeProblems(route) } };
}

function describeProblems({ access, body, problems }: Route): ZodOpenApiResponsesObject {
  const statuses: ProblemStatus[] = [
    ...(access === 'public' ? [] : ([400, 401, 403, 429, 503] as const)),
    ...(body ? ([413, 415] as const) : []),
    ...problems,
  ];
  if (statuses.length === 0) return {};
  return { ...Object.fromEntries(statuses.map((status) => [status, problemAnswers[status]])), default: anyOther };
}

type Headers = ZodOpenApiResponseObject['headers'];

function problemAnswer(id: string, meaning: string, headers?: Headers): ZodOpenApiResponseObject {
  return {
    id,
    description: meaning,
    ...(headers && { headers }),
    content: { 'application/problem+json': { schema: problemDocument } },
  };
}

const challenge: Headers = { 'WWW-Authenticate': { required: true, schema: { type: 'string', const: 'Bearer' } } };
const retryAfter: Headers = {
  'Retry-After': {
    description: 'Seconds to wait. Missing where waiting does not help.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
};

const problemAnswers: Readonly<Record<ProblemStatus, ZodOpenApiResponseObject>> = {
  400: problemAnswer('BadRequest', 'The request is unreadable, or parameters are wrong. `errors` names all of them.'),
  401: problemAnswer('Unauthorized', 'The key is missing, unknown, expired or revoked.', challenge),
  403: problemAnswer(
    'Forbidden',
    'The key does not have the scope that this route needs, or its bounds forbid the request.',
  ),
  404: problemAnswer('NotFound', 'There is no such event or key.'),
  406: problemAnswer('NotAcceptable', '`Accept` names no media type that this route has.'),
  409: problemAnswer('Conflict', 'The id or name is taken.'),
  413: problemAnswer('TooLarge', 'The body is too large.'),
  415: problemAnswer(
    'UnsupportedMediaType',
    'The route does not accept this content type, or the charset is not UTF-8.',
  ),
  422: problemAnswer(
    'Unprocessable',
    'The body is not a valid audit event. Nothing was stored. `errors` names each mistake and its place.',
  ),
  429: problemAnswer(
    'TooManyRequests',
    'A limit is used up, or bodies and answers in flight hold too many bytes. Wait as long as `Retry-After` says.',
    retryAfter,
  ),
  503: problemAnswer(
    'Unavailable',
    'The database is not available now, too many writes wait, or the answer took too long: narrow the query.',
    retryAfter,
  ),
};

const anyOther = problemAnswer('AnyOther', 'Any other error.');

/** Removes patterns that say less clearly what a format says, and the bounds of every safe integer. */
const dropNoise: ZodOpenApiOverride = ({ jsonSchema }) => {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
  if (jsonSchema.type !== 'integer') return;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
};
