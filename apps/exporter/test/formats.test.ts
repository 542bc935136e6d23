import { describe, expect, test } from 'vitest';
import { createFormatter, formatNames } from '../src/destinations/formats/format.ts';

/* How an event is written for a receiver. */

const line =
  '{"id":"0197f0e0-0000-7000-8000-000000000001","updated_at":"2026-07-03T11:46:50.269Z","changed_by":"ana@example.com",' +
  '"changed_by_api_key":"88dc28d0","action":"updated","table_name":"LiteLLM_TeamTable","object_id":"team-1",' +
  '"before_value":{"max_budget":12345678901234567890.10},"updated_values":{"a\\"b":1e400},' +
  '"context":{"ip":"10.0.0.1","user_agent":"curl/8"},"recorded_at":"2026-07-03T11:46:51.000001Z","recorded_by":"key:1"}';
const changed = (fields: Record<string, unknown>) => JSON.stringify({ ...JSON.parse(line), ...fields });

test('the own format is the line, byte for byte', () => {
  expect(createFormatter('auditbox', [])(line)).toBe(line);
});

test.each(formatNames)('%s is one line of JSON that has the id and every digit of both values', (name) => {
  const written = createFormatter(name, [])(line);
  expect(JSON.stringify(JSON.parse(written))).toContain('0197f0e0-0000-7000-8000-000000000001');
  expect(written).not.toContain('\n');
  for (const digits of ['12345678901234567890.10', '1e400']) expect(written).toContain(digits);
});

test.each(formatNames)('%s has no field that was omitted', (name) => {
  const written = createFormatter(name, ['before_value', 'updated_values', 'context'])(line);
  for (const value of ['1234567890', '1e400', '10.0.0.1']) expect(written).not.toContain(value);
});

test('litellm has the nine fields of its payload, and both values as text', () => {
  expect(JSON.parse(createFormatter('litellm', [])(line))).toEqual({
    id: '0197f0e0-0000-7000-8000-000000000001',
    updated_at: '2026-07-03T11:46:50.269Z',
    changed_by: 'ana@example.com',
    changed_by_api_key: '88dc28d0',
    action: 'updated',
    table_name: 'LiteLLM_TeamTable',
    object_id: 'team-1',
    before_value: '{"max_budget":12345678901234567890.10}',
    updated_values: '{"a\\"b":1e400}',
  });
  expect(JSON.parse(createFormatter('litellm', [])(changed({ before_value: null }))).before_value).toBeNull();
});

describe('ecs', () => {
  const ecs = createFormatter('ecs', []);

  test('is mapped as the package for LiteLLM maps it', () => {
    expect(JSON.parse(ecs(line))).toMatchObject({
      '@timestamp': '2026-07-03T11:46:50.269Z',
      event: {
        id: '0197f0e0-0000-7000-8000-000000000001',
        kind: 'event',
        category: ['configuration'],
        type: ['change'],
      },
      user: { id: 'ana@example.com', email: 'ana@example.com' },
      related: { user: ['ana@example.com'] },
      source: { ip: '10.0.0.1' },
      user_agent: { original: 'curl/8' },
      labels: { api_key_hash: '88dc28d0' },
    });
  });

  test.each([
    ['created', ['change', 'creation']],
    ['deleted', ['change', 'deletion']],
    ['rotated', ['change']],
  ])('the action %s has the types %j', (action, type) => {
    expect(JSON.parse(ecs(changed({ action }))).event).toMatchObject({ action, type });
  });

  test('names no address where there is not one', () => {
    const written = JSON.parse(
      ecs(changed({ changed_by: 'robot', context: { ip: 'unknown' }, changed_by_api_key: '' })),
    );
    expect(written.user).toEqual({ id: 'robot' });
    expect(written).not.toHaveProperty('source');
    expect(written).not.toHaveProperty('labels');
  });
});

describe('ocsf', () => {
  const ocsf = createFormatter('ocsf', []);

  test('is Entity Management with every attribute that the class requires', () => {
    expect(JSON.parse(ocsf(line))).toMatchObject({
      class_uid: 3004,
      category_uid: 3,
      activity_id: 3,
      type_uid: 300403,
      severity_id: 1,
      time: Date.parse('2026-07-03T11:46:50.269Z'),
      metadata: { version: '1.8.0', product: { name: 'Auditbox', vendor_name: 'Auditbox' } },
      entity: { uid: 'team-1', type: 'LiteLLM_TeamTable', type_id: 99 },
      entity_result: { uid: 'team-1' },
      actor: { user: { uid: 'ana@example.com', email_addr: 'ana@example.com' } },
      src_endpoint: { ip: '10.0.0.1' },
    });
  });

  test.each([
    ['created', 1, 'Create'],
    ['deleted', 4, 'Delete'],
    ['blocked', 12, 'Suspend'],
    ['unblocked', 13, 'Resume'],
    ['rotated', 99, 'Rotate'],
    ['exported', 99, 'exported'],
  ])('the action %s is the activity %i, %s', (action, activity_id, activity_name) => {
    const type_uid = 300_400 + activity_id;
    expect(JSON.parse(ocsf(changed({ action })))).toMatchObject({ activity_id, activity_name, type_uid });
  });
});
