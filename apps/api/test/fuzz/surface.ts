import fc from 'fast-check';
import { hostileText } from './hostile-text.ts';
import { writtenEvent } from './written-events.ts';

/** A route of the api, with the parameters that its document names. */
export interface FuzzedRoute {
  readonly method: string;
  /** In the form of Express. */
  readonly path: string;
  readonly access: string;
  readonly parameters: readonly string[];
  readonly types: readonly string[];
}

/** What requests may name that exists. A long run adds keys, because those that it knows are soon revoked. */
export interface KnownThings {
  readonly eventIds: readonly string[];
  /** Of keys that may be changed. */
  readonly keyIds: string[];
  readonly cursors: readonly string[];
}

/** A request as it is sent. */
export interface FuzzedRequest {
  readonly route: FuzzedRoute;
  readonly method: string;
  readonly path: string;
  /** Whether the path is written in an odd way, which may lead to another route or to none. */
  readonly isOdd: boolean;
  /** The name of a kind of key. */
  readonly key: string;
  /** Which one of the keys of that kind. */
  readonly nth: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const usual: Readonly<Record<string, readonly string[]>> = {
  action: ['created', 'updated,deleted'],
  archive: ['true', 'false'],
  bom: ['true'],
  closing_line: ['true'],
  dry_run: ['true', 'false'],
  end_date: ['2026-07-03', '2026-07-03T11:46:50.269Z', '9999-12-31', '2026-07-03T12:00:00+23:59'],
  format: ['csv', 'ndjson'],
  group_by: ['action', 'changed_by'],
  interval: ['minute', 'hour', 'day'],
  month: ['2026-07', '1970-01', '9999-12', '0000-01'],
  object_id: ['1', '2'],
  page: ['1', '3', '1000000000'],
  page_size: ['1', '100', '1000'],
  partial: ['true', 'false'],
  q: ['word', 'a b'],
  recorded_after: ['2026-01-01', '9999-12-31'],
  sort_by: ['recorded_at', 'id', 'changed_by'],
  sort_order: ['asc', 'desc'],
  start_date: ['2026-07-01', '2026-07-03T00:00:00Z', '0001-01-01', '2026-07-03T12:00:00-23:59'],
  table_name: ['teams', 'keys'],
  time_zone: ['Europe/Berlin', 'UTC', 'Asia/Kathmandu', 'CET', 'AET', 'US/Pacific-New'],
};

const segment = fc.oneof(
  hostileText.map((text) => text.replaceAll('+', '%2B')),
  fc.constantFrom('%2F', '%2E%2E', '..', '.', '%', '%00', '~.', '__proto__'),
);
const odd = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1e308, '', '\0', '\ud800', '\u202e', [], {}, [null], { a: {} }),
  fc.constantFrom<unknown>('0000-01-01T00:00:00Z', '2027-01-01T00:00:00+23:59', '9223372036854775808', 'x'.repeat(300)),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom(2, 150, 9_000).map((length) => Array<string>(length).fill('*a*')),
  fc.jsonValue({ maxDepth: 3 }),
);

/** An object whose members are right, odd, missing or more. */
function nearly(members: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<object> {
  const either = Object.entries(members).map(([name, right]) => [
    name,
    fc.oneof({ arbitrary: right, weight: 9 }, { arbitrary: odd, weight: 1 }),
  ]);
  return fc
    .tuple(
      fc.record(Object.fromEntries(either), { requiredKeys: [] }),
      fc.option(fc.tuple(fc.string(), odd), { freq: 9 }),
    )
    .map(([right, more]) => (more === null ? right : { ...right, [more[0]]: more[1] }));
}

const scopes = ['read', 'write', 'admin', 'audit:read', 'audit:write', 'export:read', 'export:replay', 'keys:admin'];
const patterns = fc.array(fc.constantFrom('*', 'svc-*', 'teams', '*a*b*'), { minLength: 1, maxLength: 3 });
const time = fc.constantFrom('2026-07-03T02:00:00Z', '2027-01-01T00:00:00+02:00', '9999-12-31T23:59:60Z', null);
const newKey = nearly({
  name: fc.uuid(),
  scopes: fc.subarray(scopes, { minLength: 1 }),
  tenant: fc.constantFrom(null, 'acme', 'other'),
  expires_at: time,
  bounds: nearly({
    signs_keys: fc.boolean(),
    changed_by: patterns,
    table_name: patterns,
    action: patterns,
    oldest_event_days: fc.nat(400),
    addresses: fc.constantFrom(['127.0.0.0/8', '::1'], ['10.0.0.0/8'], ['::ffff:0:0/96'], ['0.0.0.0/0']),
  }),
});
const texts = (...all: string[]) => fc.constantFrom(...all.map((text) => JSON.stringify(text)));
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
/** A member, whose name is sometimes escaped. */
const member = (name: string, value: fc.Arbitrary<string>) =>
  fc.tuple(fc.nat(7), value).map(([n, text]) => {
    const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
    return `"${n === 0 ? escaped : name}":${text}`;
  });
const boundMembers = fc.tuple(
  member('table_name', texts('teams', 'teams', 'teams', 'Teams', 'teams ', 'ｔeams', 'team', 'auditbox.api_key')),
  member('changed_by', texts('svc-1', 'svc-1', 'svc-1', 'svc', 'SVC-1', ' svc-1', 'ceo', 'ana\nsvc-1')),
  member('action', texts('updated', 'updated', 'updated', 'deleted', 'UPDATED', 'updated,deleted', 'read')),
  member('object_id', texts('1', '42')),
  member('tenant', fc.oneof(fc.constant('null'), texts('', '', 'acme', 'other', 'ACME', 'acme '))),
  member('changed_by_api_key', fc.oneof(fc.constant('null'), texts('', '', '', 'master', 'key:master', 'another'))),
  member(
    'updated_at',
    fc.constantFrom(1, 2, 9, 11, 400).map((days) => JSON.stringify(daysAgo(days))),
  ),
  member('recorded_by', texts('key:master', 'api')),
);
/** Events that keys with bounds may write, and almost such ones. In some a member stands twice, which two readers may read differently. */
const boundEvent = fc
  .tuple(boundMembers, boundMembers, fc.constantFrom(4, 5, 6, 7, 7, 8), fc.nat(39))
  .map(([members, others, count, twice]) => {
    const given = [...members.slice(0, count), ...others.slice(twice, twice + 1)];
    return `{${given.join()}}`;
  });
const event = fc.oneof(
  writtenEvent.map(({ text }) => text),
  boundEvent,
);
const bodies: Readonly<Record<string, fc.Arbitrary<string>>> = {
  '/audit': event,
  '/audit/batch': fc.array(event, { maxLength: 4 }).map((all) => `[${all.join()}]`),
  '/keys': newKey.map((body) => JSON.stringify(body)),
  '/keys/:id/rotate': nearly({ overlap_seconds: fc.constantFrom(0, 60, 2_592_000) }).map((body) =>
    JSON.stringify(body),
  ),
  '/exports/replay': nearly({
    destination: fc.constantFrom('s3', 'soc', 'nowhere'),
    cell: fc.constantFrom('a', ''),
    batch_id: fc.constantFrom('1', '999999999999999999'),
    from: time,
    to: time,
    dry_run: fc.boolean(),
  }).map((body) => JSON.stringify(body)),
};
const anyBody = fc.oneof(
  odd.map((value) => JSON.stringify(value)),
  fc.constantFrom(
    '',
    '{',
    '[[',
    '"',
    '\ufeff{}',
    '{"a":1}{"a":1}',
    '[]',
    `${'['.repeat(5_000)}`,
    '{"__proto__":{"scopes":["admin"]}}',
  ),
);

/** Headers that proxies and attackers add. */
const headers = fc.constantFrom<Readonly<Record<string, string>>>(
  ...[{}, {}, {}, {}],
  { 'idempotency-key': '"k-1"' },
  { 'idempotency-key': 'k 1' },
  { 'x-request-id': 'a"}\tb' },
  { 'x-forwarded-for': '192.0.2.7, unknown' },
  { prefer: 'read-primary' },
  { 'content-encoding': 'gzip' },
  { 'content-encoding': 'zstd, br' },
  { accept: 'text/csv;q=0.1, image/*' },
  { 'x-http-method-override': 'DELETE' },
  { origin: 'null', 'access-control-request-method': 'POST' },
  { range: 'bytes=0-0,5-' },
  { expect: '100-continue' },
);

/** The same path, as those write it who want that a check and a route see different paths. */
const oddPaths: readonly ((path: string) => string)[] = [
  ...[(path: string) => `/${path}`, (path: string) => `${path}/`, (path: string) => path.toUpperCase()],
  ...[(path: string) => `/.${path}`, (path: string) => `/%2e${path}`, (path: string) => path.replace('a', '%61')],
  ...[(path: string) => `${path}%00`, (path: string) => `${path};x=1`, (path: string) => `http://x${path}`],
  ...[
    (path: string) => `/livez/..${path}`,
    (path: string) => `/ui/..${path}`,
    (path: string) => `/docs/..%2f${path.slice(1)}`,
  ],
  ...[
    (path: string) => `/docs/%2e%2e${path}`,
    (path: string) => path.replace('/', '/%5c'),
    (path: string) => `${path}%2f..`,
  ],
];
const oddPath = fc.oneof({ arbitrary: fc.constant(null), weight: 14 }, fc.constantFrom(...oddPaths));

/** Requests to all routes, with each kind of key. */
export function surfaceRequest(
  routes: readonly FuzzedRoute[],
  keys: readonly string[],
  known: KnownThings,
): fc.Arbitrary<FuzzedRequest> {
  const ids = fc.oneof(
    { arbitrary: fc.constantFrom(...known.eventIds), weight: 3 },
    { arbitrary: fc.nat().map((n) => known.keyIds[n % known.keyIds.length] as string), weight: 3 },
    fc.uuid(),
    segment,
  );
  const names = fc.oneof(fc.constantFrom('s3', 'soc'), segment);
  const cursor = fc.oneof(
    fc.constantFrom(...known.cursors, ''),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
    hostileText,
  );
  const query = (route: FuzzedRoute) => {
    const one = (name: string) => {
      const value =
        name === 'cursor'
          ? cursor
          : name === 'ids'
            ? fc.array(ids, { minLength: 1, maxLength: 3 }).map((all) => all.join())
            : fc.oneof(
                { arbitrary: fc.constantFrom(...(usual[name] ?? ['1', 'a,b']).map(encodeURIComponent)), weight: 4 },
                hostileText,
              );
      return value.map((raw) => `${name}=${raw}`);
    };
    const named = route.parameters.length === 0 ? [] : [fc.constantFrom(...route.parameters).chain(one)];
    const part = fc.oneof(
      ...named.map((arbitrary) => ({ arbitrary, weight: 12 })),
      hostileText.map((text) => `x=${text}`),
    );
    return fc.array(part, { maxLength: named.length === 0 ? 1 : 5 }).map((parts) => parts.join('&'));
  };
  const writes = routes.filter(({ method, path }) => method === 'post' && /^\/(?:audit|keys)/.test(path));
  return fc.constantFrom(...routes, ...writes, ...writes).chain((route) => {
    const places = route.path.split('/').map((part) => {
      if (!part.startsWith(':')) return fc.constant(part);
      return part === ':id' ? ids : part === ':name' ? names : segment;
    });
    const hasBody = route.types.length > 0;
    return fc
      .record({
        places: fc.tuple(...places),
        // An event that is only nearly right says more about the rights of its key than a wrong query.
        search: hasBody ? fc.oneof({ arbitrary: fc.constant(''), weight: 2 }, query(route)) : query(route),
        odd: oddPath,
        key: fc.constantFrom(...keys),
        nth: fc.nat(1_000),
        more: headers,
        isHead: fc.nat(19).map((n) => n === 0 && route.method === 'get'),
        type: fc.oneof(
          { arbitrary: fc.constantFrom(...route.types, 'application/json'), weight: 9 },
          fc.constant('text/plain'),
        ),
        body: fc.oneof({ arbitrary: bodies[route.path] ?? anyBody, weight: 8 }, anyBody),
      })
      .map(({ places: parts, search, odd: rewrite, key, nth, more, isHead, type, body }) => ({
        route,
        key,
        nth,
        method: isHead ? 'HEAD' : route.method.toUpperCase(),
        path: `${rewrite === null ? parts.join('/') : rewrite(parts.join('/'))}${search === '' ? '' : `?${search}`}`,
        isOdd: rewrite !== null,
        headers: hasBody ? { ...more, 'content-type': type } : more,
        body: hasBody ? body.toWellFormed() : null,
      }));
  });
}
