import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFormatter, formatNames } from '../src/destinations/formats/format.ts';
import { createBody } from '../src/destinations/webhook/bodies.ts';
import { formatSentAs, formsOf, parseSentAs } from '../src/export/requests/sent-as.ts';
import { aRow, openDestination } from './opened-destination.ts';
import { checkCloudEvents } from './published/check-cloud-events.ts';
import { checkEcs } from './published/check-ecs.ts';
import { checkOcsf } from './published/check-ocsf.ts';

/* What receivers get, compared with what others publish about their formats. */

const event = {
  id: '0197f0e0-0000-7000-8000-000000000001',
  updated_at: '2026-07-03T11:46:50.269Z',
  changed_by: 'ana@example.com',
  changed_by_api_key: '88dc28d0',
  action: 'updated',
  table_name: 'LiteLLM_TeamTable',
  object_id: 'team-1',
  before_value: { max_budget: 1 },
  updated_values: { max_budget: 2 },
  context: { ip: '10.0.0.1', user_agent: 'curl/8' },
  recorded_at: '2026-07-03T11:46:51.000001Z',
  recorded_by: 'key:1',
  tenant: 'acme',
  redacted: ['updated_values.token'],
};

/** A request to the api, as the api itself records it. */
const request = {
  ...event,
  changed_by: 'auditor',
  action: 'read',
  table_name: 'auditbox.request',
  object_id: 'GET /audit/:id',
  before_value: null,
  updated_values: null,
  context: { path: '/audit/1', query: 'pretty=1', address: '2001:db8::1' },
  recorded_by: 'api',
};

type Fields = Readonly<Record<string, unknown>>;
const ocsf = createFormatter('ocsf', []);
const ocsfOf = (fields: Fields): Fields => JSON.parse(ocsf(JSON.stringify(fields)));
const problemsOf = (fields: Fields) => checkOcsf(ocsfOf(fields)).problems;

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
const ip = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('', 'unknown', `fe80::1%${'e'.repeat(40)}`));
/** Fields of an event, as the database takes them. */
const anyFields = fc.record({
  changed_by: fc.oneof(name, fc.emailAddress(), fc.constantFrom('zoë@exämple.com', 'a@b.c@d.e')),
  changed_by_api_key: fc.oneof(name, fc.constant('')),
  action: fc.oneof(
    name,
    fc.constantFrom('created', 'read', 'deleted', 'blocked', 'rotated', 'denied', 'constructor', '__proto__'),
  ),
  table_name: fc.oneof(name, fc.constant('auditbox.request')),
  object_id: fc.oneof(name, fc.constantFrom('', 'GET /audit', 'any', 'toString')),
  before_value: fc.option(fc.jsonValue()),
  updated_values: fc.option(fc.jsonValue()),
  context: fc.option(
    fc.record(
      {
        ...{ ip, user_agent: fc.string(), address: ip, path: fc.string(), query: fc.string(), reason: fc.string() },
        ...{ count: fc.jsonValue(), first_at: fc.oneof(name, fc.constant('2026-07-03T11:46:00Z')) },
      },
      { requiredKeys: [] },
    ),
  ),
  recorded_by: fc.oneof(name, fc.constant('api')),
  tenant: fc.oneof(name, fc.constant('')),
});

describe('ocsf, by the table of OCSF 1.8', () => {
  test('a change is Entity Management, and of what the class recommends it leaves out what Auditbox does not have', () => {
    const written = ocsfOf(event);
    expect(written).toMatchObject({ class_uid: 3004, status_id: 1, metadata: { tenant_uid: 'acme' } });
    expect(written.metadata).toMatchObject({ uid: event.id, reporter: { name: 'key:1' } });
    expect(written.entity_result).toMatchObject({ uid: 'team-1', data: { max_budget: 2 } });
    const { problems, notThere } = checkOcsf(written);
    expect(problems).toEqual([]);
    expect(notThere).toEqual(['comment', 'message', 'observables', 'status_code', 'status_detail', 'timezone_offset']);
  });

  test('a recorded request to the api is API Activity, with the caller, its address and the route', () => {
    const written = ocsfOf(request);
    expect(written).toMatchObject({
      class_uid: 6003,
      activity_id: 2,
      type_uid: 600_302,
      actor: { user: { uid: 'auditor' } },
      api: { operation: 'GET /audit/:id', token: { uid: '88dc28d0', type_id: 7 } },
      src_endpoint: { ip: '2001:db8::1' },
      http_request: { http_method: 'GET', url: { path: '/audit/1', query_string: 'pretty=1' } },
      resources: [{ name: '/audit/1' }],
      unmapped: { context: { query: 'pretty=1' } },
    });
    const { problems, notThere } = checkOcsf(written);
    expect(problems).toEqual([]);
    const left = ['dst_endpoint', 'http_response', 'message', 'observables', 'status_code', 'status_detail'];
    expect(notThere).toEqual([...left, 'timezone_offset']);
  });

  test('a denied request is a failure with its reason, and how often it was denied since when', () => {
    const denied = {
      ...request,
      action: 'denied',
      object_id: 'POST /audit',
      context: { reason: 'no scope', count: 3, first_at: '2026-07-03T11:46:00Z', address: '10.0.0.1' },
    };
    expect(ocsfOf(denied)).toMatchObject({
      class_uid: 6003,
      activity_id: 1,
      status_id: 2,
      status: 'Failure',
      status_detail: 'no scope',
      count: 3,
      start_time: Date.parse('2026-07-03T11:46:00Z'),
    });
    expect(problemsOf(denied)).toEqual([]);
    // A caller that is one of many has no address.
    const others = { ...denied, context: { ...denied.context, address: 'others' } };
    expect(ocsfOf(others)).toMatchObject({ class_uid: 3004, count: 3 });
    // Anybody may send such a context.
    expect(ocsfOf({ ...denied, recorded_by: 'key:1' })).not.toHaveProperty('count');
  });

  test.each([
    ['an address', { context: { ...request.context, address: 'others' } }],
    ['a context', { context: null }],
    ['our own record', { recorded_by: 'key:1' }],
  ])('a request without %s is Entity Management, because API Activity requires a source', (_name, changed) => {
    expect(ocsfOf({ ...request, ...changed }).class_uid).toBe(3004);
    expect(problemsOf({ ...request, ...changed })).toEqual([]);
  });

  test('every event that the database takes makes a record that the table accepts', () => {
    fc.assert(
      fc.property(anyFields, (changed) => {
        expect(problemsOf({ ...event, ...changed })).toEqual([]);
      }),
      { numRuns: 1_000, seed: 18 },
    );
  });

  test('a record with any fault is noticed', () => {
    const written = ocsfOf(event);
    const metadata = written.metadata as Fields;
    const faults: Fields[] = [
      { ...written, updated_entity: written.entity_result },
      { ...written, class_uid: 1 },
      { ...written, category_uid: 6 },
      { ...written, activity_id: 14, type_uid: 300_414 },
      { ...written, activity_name: 'update' },
      { ...written, type_uid: 300_404 },
      { ...written, time: '2026-07-03' },
      { ...written, severity: 'Info' },
      { ...written, metadata: { ...metadata, version: '1.9.0' } },
      { ...written, metadata: { ...metadata, product: { vendor_name: 'Auditbox' } } },
      { ...written, metadata: { ...metadata, tenant: 'acme' } },
      { ...written, actor: { user: { uid: 'a', email_addr: 'a' } } },
      { ...written, actor: {} },
      { ...written, src_endpoint: { ip: 'unknown' } },
      { ...written, src_endpoint: '10.0.0.1' },
      { ...written, http_request: [] },
      { ...written, http_request: { url: { query_string: 'a' } } },
      { ...written, metadata: { ...metadata, reporter: {} } },
      { ...written, count: 1.5 },
      { ...ocsfOf(request), resources: { name: 'a' } },
      { ...ocsfOf(request), api: {} },
    ];
    for (const fault of faults) expect(checkOcsf(fault).problems, JSON.stringify(fault)).toHaveLength(1);
    const { entity: _entity, ...without } = written;
    expect(checkOcsf(without).problems).toEqual(['entity is required']);
  });

  test('what was begun before it had reporter, URL and count goes on without them', () => {
    const second = createFormatter('ocsf', [], { ecs: 2, ocsf: 2 });
    const fields = { ...request, context: { ...request.context, count: 3, first_at: '2026-07-03T11:46:00Z' } };
    const { count, start_time, http_request, metadata, ...common } = ocsfOf(fields);
    const { reporter, ...others } = metadata as Fields;
    for (const added of [count, start_time, reporter, http_request]) expect(added).toBeDefined();
    expect(JSON.parse(second(JSON.stringify(fields)))).toEqual({
      ...common,
      ...{ metadata: others, http_request: { http_method: 'GET' } },
    });
  });

  test('what an older version began goes on in its form', () => {
    const before = createFormatter('ocsf', [], { ecs: 2, ocsf: 1 });
    const written: Fields = JSON.parse(before(JSON.stringify(event)));
    expect(written).toMatchObject({ updated_entity: { uid: 'team-1' }, unmapped: { tenant: 'acme' } });
    expect(checkOcsf(written).problems).toEqual(['updated_entity is not an attribute']);
  });
});

describe('ecs, by the table of ECS 9.5', () => {
  const ecs = createFormatter('ecs', []);
  const ecsOf = (fields: Fields): Fields => JSON.parse(ecs(JSON.stringify(fields)));

  test('a change is a change of the configuration', () => {
    const written = ecsOf(event);
    expect(checkEcs(written)).toEqual([]);
    expect(written.event).toMatchObject({ category: ['configuration'], type: ['change'], outcome: 'success' });
    expect(written).toMatchObject({
      user: { id: 'ana@example.com', email: 'ana@example.com' },
      source: { ip: '10.0.0.1' },
    });
  });

  test('a recorded request to the api is an access, and a denied one is a failure with its reason', () => {
    expect(checkEcs(ecsOf(request))).toEqual([]);
    expect(ecsOf(request)).toMatchObject({
      event: { category: ['api'], type: ['access'], action: 'read', outcome: 'success' },
      http: { request: { method: 'GET' } },
      url: { path: '/audit/1', query: 'pretty=1' },
      source: { ip: '2001:db8::1' },
    });
    const denied = { ...request, action: 'denied', context: { ...request.context, reason: 'no scope' } };
    expect(checkEcs(ecsOf(denied))).toEqual([]);
    expect(ecsOf(denied).event).toMatchObject({ type: ['denied'], outcome: 'failure', reason: 'no scope' });
    // Anybody may send such an event.
    expect(ecsOf({ ...denied, recorded_by: 'key:1' }).event).toMatchObject({ type: ['change'], outcome: 'success' });
  });

  test('an event without an actor has no user, and an address with a zone is left out, because the type knows none', () => {
    const written = ecsOf({ ...event, changed_by: '', context: { ip: 'fe80::1%eth0' } });
    expect(checkEcs(written)).toEqual([]);
    for (const name of ['user', 'related', 'source']) expect(written).not.toHaveProperty(name);
  });

  test('every event that the database takes makes a document that the table accepts', () => {
    fc.assert(
      fc.property(anyFields, (changed) => {
        expect(checkEcs(ecsOf({ ...event, ...changed }))).toEqual([]);
      }),
      { numRuns: 1_000, seed: 18 },
    );
  });

  test('a document with any fault is noticed', () => {
    const written = ecsOf(event);
    const about = written.event as Fields;
    const faults: Fields[] = [
      { ...written, evnt: {} },
      { ...written, user: { id: 'a', mail: 'a' } },
      { ...written, user: 'a' },
      { ...written, user: {} },
      { ...written, user: { id: ['a'] } },
      { ...written, user: { id: 5 } },
      { ...written, related: { user: 'a' } },
      { ...written, source: { ip: 'unknown' } },
      { ...written, '@timestamp': 1_783_079_210 },
      { ...written, '@timestamp': undefined },
      { ...written, labels: { key: { a: 1 } } },
      { ...written, ecs: { version: '1.0.0' } },
      { ...written, event: { ...about, kind: 'change' } },
      { ...written, event: { ...about, outcome: 'ok' } },
      { ...written, event: { ...about, category: 'configuration' } },
      { ...written, event: { ...about, category: ['configuration', 'audit'] } },
      { ...written, event: { ...about, type: ['denied'] } },
      { ...written, event: { ...about, created: 'today' } },
    ];
    for (const fault of faults)
      expect(checkEcs(JSON.parse(JSON.stringify(fault))), JSON.stringify(fault)).not.toEqual([]);
  });

  test('what an older version began goes on in its form', () => {
    const before = createFormatter('ecs', [], { ecs: 1, ocsf: 3 });
    const denied = { ...request, action: 'denied', changed_by: '', context: { ip: '10.0.0.1', reason: 'no scope' } };
    const written: Fields = JSON.parse(before(JSON.stringify(denied)));
    expect(written).toMatchObject({
      user: {},
      source: { ip: '10.0.0.1' },
      event: { type: ['change'], outcome: 'success' },
    });
    for (const name of ['http', 'url']) expect(written).not.toHaveProperty(name);
    // A change is written as before.
    expect(before(JSON.stringify(event))).toBe(ecs(JSON.stringify(event)));
  });
});

test('the forms of a delivery are those of the version that began it', () => {
  const limits = { maxRows: 1, maxBytes: 1, maxRowBytes: 1 };
  const begun = (format: 'ecs' | 'ocsf') =>
    formsOf(parseSentAs(formatSentAs({ format, omit: [], only: null, except: null }, limits)));
  expect(begun('ecs').ecs).toBe(2);
  expect(begun('ocsf').ocsf).toBe(3);
  const [first, second] = ['{}', '{"followsOcsf18":true}'].map((text) => formsOf(parseSentAs(text)));
  expect(first).toEqual({ ecs: 1, ocsf: 1 });
  expect(second).toEqual({ ecs: 1, ocsf: 2 });
});

test.each(formatNames)('%s takes an action and a table that have the name of a part of every object', (name) => {
  for (const action of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    const written = createFormatter(name, [])(JSON.stringify({ ...event, action, table_name: action }));
    expect(written).toContain(`"${action}"`);
  }
});

describe('cloudevents-batch, by the table of CloudEvents 1.0', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
  const rows = fc.array(fc.record({ action: text, tableName: text, objectId: fc.oneof(text, fc.constant('')) }), {
    minLength: 1,
    maxLength: 5,
  });

  test('every batch is valid, whatever its events are named', () => {
    const { contentType, write } = createBody('cloudevents-batch', 'https://audit.example/box?a=1#b');
    fc.assert(
      fc.property(rows, (some) => {
        expect(checkCloudEvents(contentType, write(some.map((fields) => aRow(fields))).join(''))).toEqual([]);
      }),
      { numRuns: 500, seed: 18 },
    );
  });

  test('a batch with any fault is noticed', () => {
    const { contentType, write } = createBody('cloudevents-batch', 'auditbox');
    const body = write([aRow()]).join('');
    const [one] = JSON.parse(body);
    expect(checkCloudEvents(contentType, body)).toEqual([]);
    expect(checkCloudEvents('application/json', body)).toHaveLength(1);
    for (const fault of [
      { id: '' },
      { source: 'my box' },
      { specversion: '0.3' },
      { time: '2026-07-03' },
      { recordedtime: 'now' },
      { subject: 'a\nb' },
      { recorded_time: one.time },
    ])
      expect(checkCloudEvents(contentType, JSON.stringify([{ ...one, ...fault }])), JSON.stringify(fault)).not.toEqual(
        [],
      );
    const { type: _, ...without } = one;
    expect(checkCloudEvents(contentType, JSON.stringify([without]))).toHaveLength(1);
  });

  test.each(['my box', 'büchse', 'a<b', '%zz'])(
    'the source %s, which is not a URI reference, is refused at the start',
    async (source) => {
      const secrets = [`whsec_${'a'.repeat(32)}`];
      const opened = openDestination({
        type: 'webhook',
        url: 'https://soc.example',
        secrets,
        body: 'cloudevents-batch',
        source,
      });
      await expect(opened).rejects.toThrow('must be a URI reference');
    },
  );
});
