import { randomBytes, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { startTraceCollector, type TraceCollector } from '@auditbox/testing/stubs/trace-collector.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Secrets in every place that a caller can write to. None may be found in anything that the processes keep or show. */

let collector: TraceCollector;
let rig: ExporterFixture;
beforeEach(async () => {
  collector = await startTraceCollector();
  rig = await createExporterFixture();
});
afterEach(async () => {
  await rig.close();
  collector.close();
});

/** Planted secrets by the part that must be found nowhere, with the place where each was planted. */
function createCanaries() {
  const places = new Map<string, string>();
  const random = () => `A1${randomBytes(30).toString('base64').replace(/[+/=]/g, 'x')}`.slice(0, 38);
  const plant = (place: string, make: (text: string) => string): string => {
    const text = random();
    places.set(text.slice(0, 14), place);
    return make(text);
  };
  return {
    places,
    /** A secret that its form shows. */
    key: (place: string) => plant(place, (text) => `sk-${text}`),
    jwt: (place: string) => plant(place, (text) => `eyJhbGciOiJIUzI1NiJ9.eyJ${text}.${text}`),
    url: (place: string) => plant(place, (text) => `postgres://user:${text}@db/app`),
    pem: (place: string) => plant(place, (text) => `-----BEGIN PRIVATE KEY-----\n${text}\n-----END PRIVATE KEY-----`),
    /** A secret that only its place shows. */
    bare: (place: string) => plant(place, (text) => text),
  };
}

test('forty secrets, planted wherever a caller can write, are in no log, table, object, metric, trace or answer', async () => {
  const { key, jwt, url, pem, bare, places } = createCanaries();
  const found: { where: string; text: string }[] = [];
  const keep = (where: string, text: string) => found.push({ where, text });
  const databaseUrl = new URL(urlAs('api', rig.db.url));
  const api = await startApi(databaseUrl.href, {
    AUDIT_READS: 'true',
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  });
  const send = async (path: string, options: Parameters<typeof api.request>[1] = {}) => {
    const answer = await api.request(path, options);
    keep(
      `the answer to ${path.split('?')[0]?.slice(0, 20)} (${answer.status})`,
      answer.text + JSON.stringify([...answer.headers]),
    );
    return answer.status;
  };

  // Values, at depth and in texts.
  const values = {
    config: [{ litellm_params: { api_key: bare('a name at depth'), rpm: 1 } }],
    'X-Auth-Token': bare('a name with hyphens'),
    headers: { Authorization: bare('a header in a value'), Cookie: bare('a cookie in a value') },
    note: `it was ${key('a text')}, then ${jwt('a text with a JWT')}`,
    url: url('a URL'),
    pem: pem('a PEM'),
    list: ['a', key('a list')],
    [key('the name of a member')]: 1,
    text: JSON.stringify({
      password: bare('JSON in a text'),
      deeper: JSON.stringify({ secret: bare('JSON in JSON in a text') }),
    }),
    almost: `{"password": "${bare('almost JSON')}",`,
    query: `https://example.com/?api_key=${bare('a query in a text')}&a=1`,
    credentials: { user: 'u', word: bare('an object under a secret name') },
  };
  const planted = anEvent({
    updated_at: '2026-07-03T11:00:00Z',
    updated_values: values,
    before_value: { password: bare('before_value') },
    context: { user_agent: `curl Bearer ${bare('the context')}`, password: bare('a name in the context') },
  });
  expect(await send('/audit', { body: planted })).toBe(201);
  expect(await send('/audit', { body: planted })).toBe(200);
  expect(await send('/audit', { body: { ...planted, updated_values: { password: bare('a conflict') } } })).toBe(409);
  expect(await send('/audit/batch', { body: [anEvent({ updated_values: key('a value in a batch') })] })).toBe(201);
  const line = `${JSON.stringify(anEvent({ updated_values: { a: key('a line') } }))}\n`;
  expect(await send('/audit/batch?partial=true', { body: line, type: 'application/x-ndjson' })).toBe(201);
  expect(await send('/audit?dry_run=true', { body: anEvent({ context: { password: bare('a dry run') } }) })).toBe(200);

  // Names.
  for (const field of ['changed_by', 'changed_by_api_key', 'table_name', 'object_id', 'tenant'])
    expect(await send('/audit', { body: { ...anEvent(), [field]: key(field) } })).toBe(201);
  expect(await send('/audit', { body: { ...anEvent(), action: key('action') } })).toBe(422);
  expect(await send('/audit', { body: { ...anEvent(), [key('an unknown field')]: 1 } })).toBe(422);
  expect(await send('/audit', { body: { ...anEvent(), id: key('an id') } })).toBe(422);
  expect(await send('/audit', { body: { ...anEvent(), updated_at: key('a time') } })).toBe(422);
  const unreadable = `{"${key('the path of a problem')}":"\\u0000"}`;
  expect(await send('/audit', { body: JSON.stringify(anEvent()).replace('{"max_budget":25}', unreadable) })).toBe(422);

  // Bodies that are no JSON.
  expect(await send('/audit', { body: `{"password": ${bare('malformed JSON')}}` })).toBe(400);
  expect(await send('/audit', { body: key('no JSON') })).toBe(400);
  expect(
    await send('/audit/batch', { body: `{"password": ${bare('a malformed line')}`, type: 'application/x-ndjson' }),
  ).toBe(400);
  expect(await send('/audit/batch', { body: `[{"password": ${bare('a malformed element')}}]` })).toBe(400);

  // Headers.
  const headers = {
    'x-request-id': key('X-Request-Id'),
    'user-agent': key('User-Agent'),
    traceparent: key('traceparent'),
    tracestate: `a=${key('tracestate')}`,
    baggage: `token=${bare('baggage')}`,
    cookie: `session=${bare('Cookie')}`,
    'x-forwarded-for': key('X-Forwarded-For'),
    origin: key('Origin'),
    prefer: key('Prefer'),
    accept: key('Accept'),
  };
  expect(await send('/audit', { body: anEvent(), headers })).toBe(201);
  const { id: _id, ...withoutId } = anEvent();
  expect(await send('/audit', { body: withoutId, headers: { 'idempotency-key': `"${key('Idempotency-Key')}"` } })).toBe(
    201,
  );
  expect(
    await send('/audit', { body: withoutId, headers: { 'idempotency-key': `"\\${key('a wrong Idempotency-Key')}` } }),
  ).toBe(400);
  expect(await send('/audit', { body: '{}', type: key('Content-Type') })).toBe(415);
  expect(await send('/audit', { body: '{}', headers: { 'content-encoding': key('Content-Encoding') } })).toBe(415);
  expect(await send('/audit', { key: key('an unknown key') })).toBe(401);
  expect(await send('/audit', { key: null, headers: { authorization: `Basic ${bare('Basic')}` } })).toBe(401);

  // Queries and paths.
  const encode = encodeURIComponent;
  expect(await send(`/audit?object_id=${key('a filter')}`)).toBe(200);
  expect(await send(`/audit?search=${encode(url('a search'))}`)).toBe(200);
  expect(await send(`/audit?q=${key('words')}&start_date=2026-07-01&end_date=2026-07-02`)).toBe(200);
  expect(await send(`/audit?api_key=${bare('an unknown parameter')}`)).toBe(400);
  expect(await send(`/audit?${key('the name of a parameter')}=1`)).toBe(400);
  expect(await send(`/audit?cursor=${key('a cursor')}`)).toBe(400);
  expect(await send(`/audit?start_date=${key('a date')}`)).toBe(400);
  expect(await send(`/audit?updated_values.password=${bare('a place in values')}&object_id=1`)).toBe(200);
  expect(await send(`/audit/export?changed_by=${key('a filter of an export')}`)).toBe(200);
  expect(await send(`/audit/stats?changed_by=${key('a filter of the stats')}&interval=day`)).toBeLessThan(500);
  expect(await send(`/audit/objects/keys/${key('the id of an object')}`)).toBeLessThan(500);
  expect(await send(`/audit/${key('the id of an event')}`)).toBe(400);
  expect(await send(`/${key('a path')}`)).toBe(404);

  // Keys.
  const newKey = (fields: object) => send('/keys', { body: { name: randomUUID(), scopes: ['read'], ...fields } });
  expect(await newKey({ name: key('the name of a key') })).toBe(422);
  expect(await newKey({ tenant: key('the tenant of a key') })).toBe(422);
  expect(await newKey({ bounds: { changed_by: [key('a pattern of a key')] } })).toBe(422);
  expect(await newKey({ scopes: [key('a scope')] })).toBe(422);
  expect(await newKey({ [key('a field of a key')]: 1 })).toBe(422);
  expect(await send(`/keys/${key('the id of a key')}`, { method: 'DELETE' })).toBe(404);

  // A text without the form of HTTP.
  keep('the answer to no HTTP', await sendRaw(api.url, `GET /audit?${key('a broken request')} HTTP/9\r\n\r\n`));
  // A row that a check refuses: Postgres quotes it in its error.
  await rig.db.sql`alter table auditbox.audit_log add constraint refused check (table_name <> 'refused')`;
  const refused = anEvent({ table_name: 'refused', object_id: key('a row in an error of Postgres') });
  expect(await send('/audit', { body: refused })).toBe(500);
  expect(await send('/audit/batch', { body: [refused] })).toBe(500);
  await rig.db.sql`alter table auditbox.audit_log drop constraint refused`;

  // What is stored by SQL stays in the table and in the object, and is nowhere else.
  const bySql = key('a value that SQL stored');
  const sqlPart = bySql.slice(3, 17);
  await rig.db.store([anEvent({ updated_at: '2026-07-03T12:00:00Z', object_id: bySql, context: { a: bySql } })]);

  // The store refuses one batch for good.
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'PUT' && decodeURIComponent(path).includes('hour=12')
        ? { status: 400, code: 'KeyTooLongError' }
        : undefined,
  };
  const exporter = rig.start([], { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint });
  const { port } = await exporter.event('exporter-running');
  await eventually(async () => {
    expect(await rig.bucket.objects()).not.toHaveLength(0);
    expect(await rig.db.sql`select from auditbox.delivery where last_error is not null`).not.toHaveLength(0);
    expect(await rig.db.sql`select from auditbox.delivery where state in ('sealed', 'sending')`).toHaveLength(0);
  });
  keep("the exporter's metrics", (await readMetrics(`http://127.0.0.1:${port}`)).text);
  keep("the api's metrics", (await readMetrics(api.url)).text);
  const doctor = rig.start(['--doctor']);
  await doctor.ended;
  exporter.signal('SIGTERM');
  api.app.signal('SIGTERM');
  await Promise.all([exporter.ended, api.app.ended]);
  keep("the api's output", api.app.output());
  keep("the exporter's output", exporter.output());
  keep("the doctor's output", doctor.output());
  expect(collector.spans).not.toHaveLength(0);
  keep('the traces', JSON.stringify(collector.spans));
  for (const table of ['audit_log', 'outbox', 'delivery', 'batch', 'api_key', 'rejection'])
    keep(`the table ${table}`, await readTable(table));
  for (const { key: name, text, metadata } of await rig.bucket.objects())
    keep('the objects', name + text + JSON.stringify(metadata));

  expect(places.size).toBeGreaterThanOrEqual(40);
  const leaks = found.flatMap(({ where, text }) =>
    [...places]
      .filter(([part]) => text.includes(part))
      .filter(([part]) => part !== sqlPart || !['the table audit_log', 'the objects'].includes(where))
      .map(([, place]) => `${place} is in ${where}`),
  );
  expect([...new Set(leaks)]).toEqual([]);
  for (const { where, text } of found) expect(text.includes(masterKey), where).toBe(false);
  // The search finds what is there.
  expect(found.some(({ where, text }) => where === 'the table audit_log' && text.includes(sqlPart))).toBe(true);
});

async function readTable(table: string): Promise<string> {
  const rows = await rig.db.sql<{ text: string }[]>`select t::text as text from ${rig.db.sql(`auditbox.${table}`)} t`;
  return rows.map(({ text }) => text).join('\n');
}

function sendRaw(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let answer = '';
    connect(Number(port), hostname, function (this: import('node:net').Socket) {
      this.end(text);
    })
      .on('data', (part) => {
        answer += part;
      })
      .on('close', () => resolve(answer))
      .on('error', reject);
  });
}
