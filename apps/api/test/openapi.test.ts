import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
let document: any;
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
const first = anEvent({ object_id: 'one', context: { ip: '192.0.2.7' } });
const second = anEvent({ object_id: 'one', updated_values: { max_budget: 30 } });

beforeAll(async () => {
  api = await createApiFixture();
  document = (await api.request('/openapi.json', { key: null })).body;
  ajv.addSchema(document, 'document');
  await api.db.store([first, second, ...Array.from({ length: 12 }, () => anEvent())]);
});
afterAll(() => api.close());

test('the document is OpenAPI 3.1 and needs no key', async () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  expect(await new Validator().validate(document)).toMatchObject({ valid: true });
});

const get = (path: string, headers: Record<string, string> = {}) => ({ method: 'GET', path, headers });
const post = (path: string, body: unknown, type = 'application/json') => ({ method: 'POST', path, body, type });
const nobody = '00000000-0000-4000-8000-000000000000';

/** At least one request for each route, and one for each kind of answer that a test can provoke. */
const requests = [
  ['post /audit 201', post('/audit', anEvent())],
  ['post /audit 200', post('/audit', first)],
  ['post /audit 400', post('/audit', '{')],
  ['post /audit 401', { ...post('/audit', anEvent()), key: null }],
  ['post /audit 409', post('/audit', { ...first, object_id: 'other' })],
  ['post /audit 413', post('/audit', anEvent({ updated_values: 'x'.repeat(1024 * 1024) }))],
  ['post /audit 415', post('/audit', '', 'text/plain')],
  ['post /audit 422', post('/audit', { id: 1, action: 'nothing' })],
  ['post /audit/batch 201', post('/audit/batch', [anEvent(), first])],
  ['post /audit/batch 201', post('/audit/batch', `${JSON.stringify(anEvent())}\n`, 'application/x-ndjson')],
  ['post /audit/batch 200', post('/audit/batch', [first])],
  ['post /audit/batch 409', post('/audit/batch', [{ ...first, object_id: 'other' }])],
  ['post /audit/batch 422', post('/audit/batch', [{}])],
  ['get /audit 200', get('/audit')],
  ['get /audit 200', get('/audit?page=1000', { prefer: 'read-primary' })],
  ['get /audit 200', get('/audit?cursor=&page_size=2')],
  ['get /audit 200', get('/audit?recorded_after=2026-01-01&object_id=none')],
  ['get /audit 200', get('/audit?recorded_after=2026-01-01&page_size=2')],
  ['get /audit 400', get('/audit?page=0&x=1')],
  ['get /audit 401', { ...get('/audit'), key: null }],
  ['get /audit/export 200', get('/audit/export')],
  ['get /audit/export 200', get('/audit/export?format=csv')],
  ['get /audit/export 406', get('/audit/export', { accept: 'image/png' })],
  ['get /audit/stats 200', get('/audit/stats')],
  ['get /audit/stats 200', get('/audit/stats?interval=hour&group_by=changed_by')],
  ['get /audit/stats 400', get('/audit/stats?interval=year')],
  ['get /audit/archive 200', get(`/audit/archive?ids=${first.id},${nobody}`)],
  ['get /audit/archive 400', get('/audit/archive?ids=1')],
  ['get /exports 200', get('/exports')],
  ['get /exports 401', { ...get('/exports'), key: null }],
  ['get /exports/hours 200', get('/exports/hours?start_date=2026-07-03&end_date=2026-07-03')],
  ['get /exports/hours 400', get('/exports/hours?start_date=2026-07-03')],
  ['get /archive 200', get('/archive?month=2026-07')],
  ['get /archive 400', get('/archive?month=2026-13')],
  ['post /exports/replay 200', post('/exports/replay', { destination: 's3', dry_run: true })],
  ['post /exports/replay 404', post('/exports/replay', { destination: 'nowhere' })],
  ['post /exports/replay 422', post('/exports/replay', {})],
  ['post /destinations/{name}/pause 200', { ...get('/destinations/s3/pause'), method: 'POST' }],
  ['post /destinations/{name}/pause 404', { ...get('/destinations/nowhere/pause'), method: 'POST' }],
  ['post /destinations/{name}/resume 200', { ...get('/destinations/s3/resume'), method: 'POST' }],
  ['get /me 200', get('/me')],
  ['get /me 401', { ...get('/me'), key: null }],
  ['get /audit/{id} 200', get(`/audit/${first.id}`)],
  ['get /audit/{id} 400', get('/audit/one')],
  ['get /audit/{id} 404', get(`/audit/${nobody}`)],
  ['get /audit/objects/{table_name}/{object_id} 200', get('/audit/objects/teams/one')],
  ['get /audit/objects/{table_name}/{object_id} 200', get('/audit/objects/teams/one?page_size=1')],
  ['get /audit/{id}/proof 404', get(`/audit/${first.id}/proof`)],
  ['get /audit/{id}/proof 400', get('/audit/one/proof')],
  ['get /log/checkpoint 404', get('/log/checkpoint')],
  ['get /destinations 200', get('/destinations')],
  ['get /keys 200', get('/keys')],
  ['post /keys 201', post('/keys', { name: 'documented', scopes: ['read'] })],
  ['post /keys 409', post('/keys', { name: 'documented', scopes: ['read'] })],
  ['post /keys/{id}/rotate 404', post(`/keys/${nobody}/rotate`, {})],
  ['delete /keys/{id} 404', { ...get(`/keys/${nobody}`), method: 'DELETE' }],
  ['get /livez 200', { ...get('/livez'), key: null }],
  ['get /readyz 200', { ...get('/readyz'), key: null }],
  ['get /metrics 200', { ...get('/metrics'), key: null }],
] as const;

test.each(requests)('%s: the answer matches the document', async (operation, { path, ...options }) => {
  const [method = '', template = '', status = ''] = operation.split(' ');
  const answer = await api.request(path, options);
  expect(String(answer.status)).toBe(status);
  const documented = resolve(document.paths[template][method].responses[status]);
  for (const [name, header] of Object.entries<{ required?: boolean; schema: object }>(documented.headers ?? {})) {
    const value = answer.headers.get(name);
    if (header.required) expect(value, name).not.toBeNull();
    if (value !== null) expect(ajv.validate(header.schema, value), `${name}: ${value}`).toBe(true);
  }
  const { schema } = documented.content[answer.headers.get('content-type')?.split(';')[0] ?? ''];
  const validate = ajv.compile(absolute(schema));
  validate(answer.body ?? answer.text);
  expect(validate.errors).toBeNull();
});

test('the list above has every route of the document', () => {
  const tested = new Set(requests.map(([operation]) => operation.replace(/ \d+$/, '')));
  const documented = Object.entries<object>(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
  expect(documented.sort()).toEqual([...tested].sort());
});

test('every documented path rejects all other methods with a 405 that names the documented ones', async () => {
  for (const [path, operations] of Object.entries<object>(document.paths)) {
    const allowed = Object.keys(operations).map((method) => method.toUpperCase());
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter(
      (name) => !allowed.includes(name),
    )) {
      const { status, headers } = await api.request(path.replaceAll(/[{}]/g, ''), { method });
      expect([status, headers.get('allow')], `${method} ${path}`).toEqual([405, allowed.sort().join(', ')]);
    }
  }
});

test('every route that needs a key documents its client errors and an error for everything else', () => {
  const secured = Object.entries<object>(document.paths).filter(([path]) => path.startsWith('/audit'));
  for (const [path, operations] of secured) {
    for (const [method, { responses }] of Object.entries<{ responses: object }>(operations as never)) {
      const statuses = [
        '400',
        '401',
        '403',
        '503',
        'default',
        ...(method === 'post' ? ['409', '413', '415', '422'] : []),
      ];
      expect(Object.keys(responses), `${method} ${path}`).toEqual(expect.arrayContaining(statuses));
    }
  }
});

test('the api accepts the examples of bodies', async () => {
  for (const path of ['/audit', '/audit/batch']) {
    for (const [type, { examples }] of Object.entries<{ examples: Record<string, { value: unknown }> }>(
      document.paths[path].post.requestBody.content,
    )) {
      for (const { value } of Object.values(examples)) {
        expect((await api.request(path, { type, body: value })).status).toBe(201);
      }
    }
  }
});

test.each(['/audit', '/audit/export', '/audit/stats', '/audit/objects/{table_name}/{object_id}'])(
  '%s accepts the documented parameters and no others',
  async (path) => {
    const parameters = document.paths[path].get.parameters as { in: string; name: string }[];
    const names = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
    expect(names).toContain('start_date');
    const query = new URLSearchParams([...names, 'another'].map((name): [string, string] => [name, '?']));
    const { body } = await api.request(`${path.replaceAll(/[{}]/g, '')}?${query}`);
    const unknown = body.errors.filter(({ message }: { message: string }) => message === 'is not a parameter');
    const free = names.includes('values') ? ['values'] : [];
    expect(unknown.map((error: { path: string }) => error.path)).toEqual([...free, 'another']);
  },
);

test('places in values are parameters named after the place', async () => {
  const values = document.paths['/audit'].get.parameters.find(({ name }: { name: string }) => name === 'values');
  expect(values).toMatchObject({ style: 'form', explode: true, schema: { type: 'object' } });
  const { value } = values.examples.budget;
  expect(ajv.validate(values.schema, value)).toBe(true);
  expect(
    (await api.request(`/audit?start_date=2026-07-01&end_date=2026-08-01&${new URLSearchParams(value)}`)).status,
  ).toBe(200);
  expect(ajv.validate(values.schema, { changed_by: 'ana' })).toBe(false);
});

test('the actions in the document are those of the settings', async () => {
  const { NewAuditEvent } = document.components.schemas;
  expect(NewAuditEvent.properties.action.enum).toContain('unblocked');
  const { errors } = (await api.request('/audit', { body: anEvent({ action: 'other' }) })).body;
  expect(errors[0].message).toBe(`must be one of ${NewAuditEvent.properties.action.enum.join(', ')}`);
});

/** Every object of the document, with its place. */
function* walk(part: unknown, place = '#'): Generator<[place: string, part: Record<string, unknown>]> {
  if (typeof part !== 'object' || part === null) return;
  if (!Array.isArray(part)) yield [place, part as Record<string, unknown>];
  for (const [name, value] of Object.entries(part)) if (name !== 'examples') yield* walk(value, `${place}/${name}`);
}

/** What a generator makes of a name: `start_date`, `startDate` and `StartDate` become the same. */
const asIdentifier = (name: string) => name.replaceAll(/[^a-z0-9]/gi, '').toLowerCase();
const reserved = new Set(
  'break case class continue def default del delete export for from func function global go import in interface is lambda map new none package pass raise range return select struct switch type var void with yield'.split(
    ' ',
  ),
);

test('generators of clients get distinct names that are identifiers in every language', () => {
  const operations = Object.values<Record<string, { operationId?: string; parameters?: { name: string }[] }>>(
    document.paths,
  ).flatMap((item) => Object.values(item));
  const ids = operations.map(({ operationId = '' }) => operationId);
  for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z0-9]*$/);
  expect(ids.filter((id) => reserved.has(id.toLowerCase()))).toEqual([]);
  const schemas = Object.keys(document.components.schemas);
  for (const name of schemas) expect(name).toMatch(/^[A-Z][A-Za-z0-9]*$/);
  const lists = [
    ids,
    schemas,
    ...operations.map(({ parameters = [] }) => parameters.map((parameter) => resolve(parameter).name as string)),
    ...[...walk(document)].flatMap(([, { properties }]) => (properties ? [Object.keys(properties)] : [])),
    ...[...walk(document)].flatMap(([, { enum: values }]) => (Array.isArray(values) ? [values.map(String)] : [])),
  ];
  for (const list of lists) expect(new Set(list.map(asIdentifier)).size, list.join()).toBe(list.length);
});

test('generators of clients get references inside the document, a type for each answer, and one shape of errors', () => {
  for (const [place, { $ref }] of walk(document)) {
    if (typeof $ref !== 'string') continue;
    expect($ref, place).toMatch(/^#\/components\//);
    expect(resolve({ $ref }), place).toBeDefined();
  }
  for (const [path, item] of Object.entries<object>(document.paths))
    for (const [method, { responses }] of Object.entries<{ responses: Record<string, unknown> }>(item as never))
      for (const [status, response] of Object.entries(responses)) {
        const { content = {}, description } = resolve(response);
        expect(description, `${method} ${path} ${status}`).toMatch(/\S/);
        for (const [type, { schema }] of Object.entries<{ schema?: { $ref?: string } }>(content)) {
          expect(schema, `${method} ${path} ${status} ${type}`).toBeDefined();
          if (type === 'application/problem+json') expect(schema?.$ref).toBe('#/components/schemas/ProblemDocument');
        }
      }
});

// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
function resolve(part: any): any {
  if (part.$ref === undefined) return part;
  const names = part.$ref.split('/').slice(1);
  return names.reduce((at: Record<string, unknown>, name: string) => at[name], document);
}

/** A schema of the document whose references are read in the document. */
function absolute(schema: object): object {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'));
}
