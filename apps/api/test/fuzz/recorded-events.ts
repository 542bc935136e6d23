import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';

/** An event in a list of the api. */
export interface ListedEvent extends WireEvent {
  readonly updated_at: string;
  readonly recorded_at: string;
}

const token = 'f'.repeat(64);
const names = [
  'ana',
  'Smith, John',
  "o'hara",
  '%',
  'a_b',
  '\\',
  'ünï',
  'svc-1',
  'svc-12',
  '💥',
  '{a,b}',
  'NULL',
  '-1',
  '',
];
const values = [
  { team_id: 't1', token, limits: { rpm: [10, 20.5], on: true } },
  { team_id: 't10', 'a.b': { c: 'Grüße "you" \\ and\nlines' }, nothing: null },
  { team_id: 7, list: [{ deep: ["it's", '%'] }], '': 'empty' },
  JSON.stringify({ team_id: 't1', token }),
  ' {"team_id": "t10", "note": "a\\u0000b\\\\u0000"}\n',
  JSON.stringify(JSON.stringify({ team_id: 7 })),
  '{"team_id": "t1"',
  ['an', 'array', { team_id: 't1' }],
  'a text of t1 and more',
  12345,
  null,
  {},
];
const times = [
  '1970-01-01T00:00:00Z',
  '2000-02-29T23:59:59.999999Z',
  '2026-07-03T11:46:50.269Z',
  '2026-07-03T12:00:00Z',
];

/** Events with hostile text in every field, and with many ties. */
export const fuzzedEvents: readonly WireEvent[] = Array.from({ length: 180 }, (_, n) =>
  anEvent({
    updated_at: times[Math.floor(n / 3) % times.length] as string,
    changed_by: names[n % (names.length - 1)] as string,
    changed_by_api_key: names[(n * 5) % names.length] as string,
    action: ['created', 'updated', 'deleted', 'rotated'][n % 4] as string,
    table_name: names[(n * 3) % 4] as string,
    object_id: names[(n * 7) % (names.length - 1)] as string,
    before_value: values[n % values.length],
    updated_values: values[(n * 3 + 1) % values.length],
    ...(n % 3 === 0 && { context: { ip: '192.0.2.7', agent: names[n % names.length] } }),
  }),
);

/** Complete texts of the events. */
export const knownTexts = [...names, 't1', 't10', '7', token, '10', '20.5', '12345', 'true', 'null', '192.0.2.7'];
