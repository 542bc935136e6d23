import { lowerBound, upperBound } from '@auditbox/core/event/event-time.ts';
import { addOffset } from '@auditbox/core/event/zoned-time.ts';
import { anyCase } from '@auditbox/core/text/any-case.ts';
import { splitEscaped } from '@auditbox/core/text/split-escaped.ts';
import fc from 'fast-check';
import { hostileText } from './hostile-text.ts';
import type { ListedEvent } from './recorded-events.ts';

/** A parameter of a query, and its expected effect. */
export interface Parameter {
  readonly name: string;
  /** Percent-encoded, possibly with mistakes. */
  readonly raw: string;
  readonly isValid: boolean;
  /** Whether an event matches; always true if the parameter is not a filter. */
  readonly matches: (event: ListedEvent) => boolean;
  /** False if the model only knows events that do not match. */
  readonly isExact: boolean;
}

const decoded = (raw: string) => new URLSearchParams(`v=${raw}`).get('v') ?? '';

const ignoredWhenEmpty = new Set([
  ...[
    'changed_by',
    'changed_by_prefix',
    'changed_by_any_case',
    'changed_by_api_key',
    'action',
    'table_name',
    'object_id',
    'object_team_id',
  ],
  ...['object_key_hash', 'search', 'q', 'start_date', 'end_date', 'time_zone'],
]);

function parameter(
  name: string,
  value: fc.Arbitrary<string>,
  read: (text: string) => Partial<Pick<Parameter, 'isValid' | 'matches' | 'isExact'>>,
): fc.Arbitrary<Parameter> {
  return value.map((raw) => {
    const any = { isValid: true, matches: () => true, isExact: true };
    // An empty filter is ignored.
    const isIgnored = decoded(raw) === '' && ignoredWhenEmpty.has(name);
    const expected = { ...any, ...(isIgnored ? {} : read(decoded(raw))) };
    return { name, raw, ...expected, [fc.toStringMethod]: () => `${name}=${raw}` };
  });
}

const isClean = (text: string) => !text.includes('\0');
const isGiven = (text: string) => text !== '' && isClean(text);

function textList(name: 'changed_by' | 'changed_by_api_key' | 'table_name' | 'object_id') {
  return parameter(name, hostileText, (text) => {
    const any = new Set([text, ...splitEscaped(text, ',')]);
    return { isValid: isClean(text) && any.size <= 100, matches: (event) => any.has(event[name] ?? '') };
  });
}

/** A member as `->>` prints it; null if it is missing. */
function toText(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
function getMember(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
const hasMember = (event: ListedEvent, name: string, text: string) =>
  [event.before_value, event.updated_values].some((value) => toText(getMember(readText(value), name)) === text);

/** The object in a value that is JSON text inside a JSON string. */
function readText(value: unknown): unknown {
  let read = value;
  try {
    for (let level = 0; level < 3 && typeof read === 'string'; level += 1) read = JSON.parse(read);
    return read;
  } catch {
    return value;
  }
}

const actions = ['created', 'updated', 'deleted', 'blocked', 'unblocked', 'rotated'];
const encoded = (...texts: string[]) => fc.constantFrom(...texts.map(encodeURIComponent));

const filters = [
  textList('changed_by'),
  textList('changed_by_api_key'),
  textList('table_name'),
  textList('object_id'),
  parameter(
    'action',
    fc.oneof(
      { arbitrary: encoded('created', 'updated,deleted', 'blocked', 'rotated,rotated'), weight: 4 },
      hostileText,
    ),
    (text) => {
      const any = splitEscaped(text, ',');
      const isValid = any.every((action) => actions.includes(action)) && any.length <= 100;
      return { isValid, matches: ({ action }) => any.includes(action) };
    },
  ),
  parameter('changed_by_prefix', hostileText, (text) => ({
    isValid: isGiven(text),
    matches: (event) => event.changed_by.startsWith(text),
  })),
  parameter('changed_by_any_case', hostileText, (text) => ({
    isValid: isGiven(text) && text.length <= 512,
    matches: (event) => new RegExp(anyCase(text), 'u').test(event.changed_by),
  })),
  parameter('object_team_id', hostileText, (text) => ({
    isValid: isGiven(text),
    matches: (event) => hasMember(event, 'team_id', text),
  })),
  parameter('object_key_hash', hostileText, (text) => ({
    isValid: isGiven(text),
    matches: (event) => hasMember(event, 'token', text),
  })),
  parameter('search', hostileText, (text) => ({
    isValid: isGiven(text),
    matches: (event) =>
      [event.object_id, event.changed_by, event.changed_by_api_key].includes(text) ||
      hasMember(event, 'team_id', text) ||
      hasMember(event, 'token', text),
  })),
  parameter('q', fc.oneof(hostileText, encoded('t1', 'GRÜSSE', 'array nowhere', 'lines you')), (text) => ({
    isValid: isClean(text) && /[\p{L}\p{N}]/u.test(text) && text.trim().split(/\s+/).length <= 20,
    // Postgres decides what the words of a text are. A word that occurs nowhere must not match.
    isExact: false,
    matches: (event) => !/nowhere/.test(text) && !/^\{?"?zz-/.test(text) && event.id !== '',
  })),
];

const edges = [
  ...['0001-01-01', '0000-12-31', '9999-12-31', '10000-01-01', '-0001-01-01', '1969-12-31', '1970-01-01', '2000-02-29'],
  ...['1900-02-29', '2026-02-29', '2026-07-03', '2026-07-03T11:46:50.269Z', '2026-07-03T11:46:50.268999999Z'],
  ...['2026-07-03T12:00:00+23:59', '2026-07-03T12:00:00-23:59', '2026-07-03 11:46:50.269z', '2026-07-03T24:00:00Z'],
  ...[
    '0001-01-01T00:00:00+00:01',
    '9999-12-31T23:59:59.999999999Z',
    '9999-12-31T23:59:59-00:01',
    '2016-12-31T23:59:60Z',
  ],
  ...[
    '2026-07-03T11:46:50.2690000000Z',
    'infinity',
    '-infinity',
    'now',
    'epoch',
    'J2451187',
    '20260703',
    '1751500800',
    '',
  ],
];
const time = fc.oneof(
  { arbitrary: encoded(...edges), weight: 6 },
  {
    arbitrary: fc
      .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString()),
    weight: 2,
  },
  hostileText,
);
const micros = (at: string) => `${at.slice(0, 19)}.${(/\.(\d+)/.exec(at)?.[1] ?? '').padEnd(6, '0')}Z`;
const plus = (text: string) => text.replace(/ (\d\d:\d\d)$/, '+$1');

const startDate = (value: fc.Arbitrary<string>) =>
  parameter('start_date', value, (text) => {
    const from = lowerBound(addOffset(plus(text), 'UTC', 'lower'));
    return { isValid: from !== null, matches: (event) => from === null || micros(event.updated_at) >= from };
  });
const endDate = (value: fc.Arbitrary<string>) =>
  parameter('end_date', value, (text) => {
    const to = upperBound(addOffset(plus(text), 'UTC', 'upper'));
    return { isValid: to !== null, matches: (event) => to === null || micros(event.updated_at) <= to };
  });
const dates = [startDate(time), endDate(time)];
/** A range that has half of the events, and bounds what no index serves. */
const july = fc.tuple(startDate(encoded('2026-07-01')), endDate(encoded('2026-07-31')));

const paths: [string, string[]][] = [
  ['team_id', ['team_id']],
  ['limits.rpm.1', ['limits', 'rpm', '1']],
  ['limits.rpm.-1', ['limits', 'rpm', '-1']],
  ['limits.on', ['limits', 'on']],
  ['limits.rpm', ['limits', 'rpm']],
  ['a\\.b.c', ['a.b', 'c']],
  ['nothing', ['nothing']],
  ['ip', ['ip']],
  ['list.0.deep.0', ['list', '0', 'deep', '0']],
  ['0', ['0']],
  ['__proto__', ['__proto__']],
  ["'; drop table audit_log; --", ["'; drop table audit_log; --"]],
];
function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      Array.isArray(inner) ? inner.at(/^-?\d+$/.test(name) ? Number(name) : Infinity) : getMember(inner, name),
    value,
  );
}

/** JSON's null matches too. */
const valueText = (value: unknown) =>
  value === undefined ? null : typeof value === 'string' ? value : JSON.stringify(value);

const valuePath = fc
  .record({
    column: fc.constantFrom('before_value', 'updated_values', 'context'),
    path: fc.constantFrom(...paths),
    equals: fc.oneof(hostileText, encoded('t1', 't10', '7')),
  })
  .chain(({ column, path: [name, path], equals }) =>
    parameter(`${column}.${encodeURIComponent(name)}`, fc.constant(equals), (text) => ({
      isValid: isClean(text),
      matches: (event) => valueText(at(readText(event[column as 'context']), path)) === text,
    })),
  );

const oddPath = fc
  .record({
    column: fc.constantFrom('before_value', 'updated_values', 'context'),
    name: hostileText,
    equals: hostileText,
  })
  .chain(({ column, name, equals }) =>
    parameter(`${column}.${name.replaceAll('=', '%3D')}`, fc.constant(equals), (text) => {
      const isEmpty = decoded(name.replaceAll('=', '%3D')) === '';
      const depth = splitEscaped(decoded(name), '.').length;
      return { isValid: !isEmpty && isClean(text) && isClean(decoded(name)) && depth <= 32, isExact: false };
    }),
  );

/** Names that the api must not read as filters. */
const unknown = fc
  .constantFrom(
    'user',
    'changed_by[]',
    'changed_by%5B%5D',
    'action[ne]',
    'CHANGED_BY',
    '__proto__',
    'constructor',
    'toString',
    '',
    '%',
  )
  .chain((name) => parameter(name, hostileText, () => ({ isValid: false })));

const choice = (name: string, right: readonly string[]) =>
  parameter(name, fc.oneof({ arbitrary: encoded(...right), weight: 8 }, hostileText), (text) => ({
    isValid: right.includes(text),
  }));
const number = (name: string, max: number, usual: readonly string[]) =>
  parameter(
    name,
    fc.oneof(
      { arbitrary: encoded(...usual), weight: 8 },
      encoded(
        '0',
        '-1',
        '1e3',
        '0x10',
        '1.0',
        '01',
        '٣',
        '999999999',
        '1000000001',
        '9223372036854775808',
        'NaN',
        ' 1',
        '',
      ),
      hostileText,
    ),
    (text) => ({ isValid: /^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= max }),
  );

const sortKeys = [
  'updated_at',
  'recorded_at',
  'changed_by',
  'changed_by_api_key',
  'action',
  'table_name',
  'object_id',
  'id',
];
export const parameters = {
  filter: fc.oneof({ arbitrary: fc.oneof(...filters), weight: 12 }, { arbitrary: valuePath, weight: 4 }, oddPath, {
    arbitrary: fc.oneof(...dates),
    weight: 4,
  }),
  dates: fc.oneof(...dates),
  july,
  valuePath,
  unknown,
  sort: fc.oneof(choice('sort_by', sortKeys), choice('sort_order', ['asc', 'desc'])),
  page: number('page', 1_000_000_000, ['1', '2', '3', '1000000000']),
  pageSize: number('page_size', 100, ['1', '7', '50', '100']),
  format: choice('format', ['ndjson', 'csv']),
  interval: choice('interval', ['hour', 'day']),
  groupBy: choice('group_by', ['action', 'table_name', 'changed_by']),
  partial: choice('partial', ['true', 'false']),
};
