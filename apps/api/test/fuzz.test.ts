import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/api-fixture.ts';
import { anEvent } from '@auditbox/testing/test-events.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** By hand with 100,000: FUZZ_REQUESTS=100000. */
const requests = Number(process.env.FUZZ_REQUESTS ?? 1_500);
const atOnce = 16;

let api: ApiFixture;
let cursors: string[];
const connections = new Agent({ keepAlive: true, maxSockets: atOnce });
beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(
    Array.from({ length: 40 }, (_, n) =>
      anEvent({ changed_by: `user${n % 4}`, object_id: `o${n % 7}`, updated_values: { team_id: `t${n % 3}`, n } }),
    ),
  );
  const lists = ['', '&action=updated', '&sort_by=object_id', '&sort_by=id&sort_order=asc'];
  const answers = await Promise.all(lists.map((list) => api.request(`/audit?page_size=3${list}`)));
  cursors = answers.map(({ body }) => body.next_cursor);
});
afterAll(async () => {
  connections.destroy();
  await api.close();
});

const hostile = fc.constantFrom(
  "' or true --",
  "'; drop table audit_log; --",
  '%',
  '_',
  '\\',
  '\\,',
  ',',
  ',,',
  '\0',
  '$1',
  'null',
  '-1',
  '0',
  '1e9',
  '99999999999999999999',
  '0001-01-01',
  '9999-12-31T23:59:59.999999999Z',
  '2024-02-29',
  '2023-02-29',
  '2026-07-03T11:46:50.123456789+14:00',
  '2026-07-03T24:00:00Z',
  '{"a":1}',
  '[1]',
  '𝔘𝔫𝔦𝔠𝔬𝔡𝔢',
  'a'.repeat(3_000),
  'user1',
  'o1',
  't1',
  'updated',
  'asc',
  'updated_at',
);
const names = fc.constantFrom(
  ...[
    'page',
    'page_size',
    'changed_by',
    'changed_by_prefix',
    'changed_by_api_key',
    'action',
    'table_name',
    'object_id',
  ],
  ...['object_team_id', 'object_key_hash', 'search', 'q', 'start_date', 'end_date', 'sort_by', 'sort_order', 'cursor'],
  ...[
    'recorded_after',
    'format',
    'interval',
    'group_by',
    'partial',
    'updated_values.n',
    'before_value.',
    'context.a\\.b.0',
  ],
  ...['changed_by[]', 'changed_by[$ne]', '__proto__', 'constructor', 'unknown'],
);
/** A cursor of ours, whole or bent. */
const cursor = fc
  .tuple(fc.nat({ max: 3 }), fc.option(fc.nat({ max: 200 }), { nil: null }), fc.string({ maxLength: 3 }))
  .map(([of, at, put]) => {
    const whole = cursors[of] ?? '';
    if (at === null) return whole;
    const bent = Buffer.from(whole, 'base64url').toString();
    return Buffer.from(bent.slice(0, at) + put + bent.slice(at + put.length)).toString('base64url');
  });
const value = fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 40 }), fc.integer().map(String), cursor);
const part = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(names, value).map(([name, given]) => `${encode(name)}=${encode(given)}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('%', '%ff%fe=%80', 'q=%ED%A0%80', '=', '&&', 'page', 'changed_by=%00', '+=+'),
  },
);
const path = fc.oneof(
  fc.constantFrom('/audit', '/audit', '/audit', '/audit/export', '/audit/stats'),
  fc.tuple(value, value).map(([table, object]) => `/audit/objects/${encode(table) || 'x'}/${encode(object) || 'x'}`),
  value.map((id) => `/audit/${encode(id) || 'x'}`),
);

/** Half of a surrogate pair cannot be encoded; its replacement is as good. */
function encode(given: string): string {
  return encodeURIComponent(given.toWellFormed());
}

function get(target: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options = { agent: connections, headers: { authorization: `Bearer ${masterKey}`, prefer: 'read-primary' } };
    request(`${api.url}${target}`, options, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    })
      .once('error', reject)
      .end();
  });
}

/** A filter that nothing matches, whatever stands beside it. */
const nothing = 'object_id=nobody-has-this';

test(`whatever is asked: an answer or a 4xx that says why, and never more than the filter allows`, {
  timeout: 3_600_000,
}, async () => {
  const asked = fc.sample(fc.tuple(path, fc.array(part, { maxLength: 5 })), { numRuns: requests });
  let given = 0;
  const worker = async () => {
    for (let next = asked.pop(); next !== undefined; next = asked.pop()) {
      const [to, parts] = next;
      const isFiltered = to === '/audit' || to === '/audit/export' || to === '/audit/stats';
      const query = isFiltered ? [...parts.filter((one) => !one.startsWith('object_id=')), nothing] : parts;
      const target = `${to}?${query.join('&')}`;
      const { status, body } = await get(target);
      if (status === 200) given += 1;
      expect(status, target).toBeLessThan(500);
      if (status >= 400) expect(JSON.parse(body), target).toMatchObject({ status, detail: expect.any(String) });
      if (status !== 200) continue;
      if (to === '/audit') expect(JSON.parse(body).audit_logs, target).toEqual([]);
      if (to === '/audit/stats') expect(JSON.parse(body).total, target).toBe(0);
      if (to === '/audit/export') expect(body.trim().split('\n').length, target).toBe(1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  expect(given).toBeGreaterThan(requests / 50);
  expect(await api.db.sql`select count(*)::int as count from audit_log`).toEqual([{ count: 40 }]);
});
