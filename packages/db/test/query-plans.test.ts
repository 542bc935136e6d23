import { connectDatabase, type Database } from '@auditbox/db/connect.ts';
import { countStatement } from '@auditbox/db/query/count-by.ts';
import type { EventFilter } from '@auditbox/db/query/event-filter.ts';
import { type EventOrder, type EventPosition, sortKeys, typeOf } from '@auditbox/db/query/event-order.ts';
import { type EventQuery, findStatement } from '@auditbox/db/query/find-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/test-database.ts';
import type { Fragment } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/*
 * A question must not read all of audit_log, whatever the statistics say: they are missing on a new system and behind
 * after a bulk load. PLAN_ROWS=1000000 looks at the plans over more rows; it takes minutes to load them.
 */

const rows = Number(process.env.PLAN_ROWS ?? 20_000);
const months = ['2026-04-01', '2026-05-01', '2026-06-01'];

let db: TestDatabase;
let reader: Database;
beforeAll(async () => {
  db = await openTestDatabase();
  for (const month of months) {
    await db.sql`select audit_log_make_partition(${month})`;
    await db.sql.unsafe(
      `alter table audit_log_${month.slice(0, 7).replace('-', '_')} set (autovacuum_enabled = false)`,
    );
  }
  // As the readers of the api are.
  reader = connectDatabase({
    url: db.url,
    application: 'test',
    maxConnections: 2,
    statementTimeoutMs: 10_000,
    avoidSeqScans: true,
    onlyReads: true,
  });
});
afterAll(async () => {
  await reader.close(1_000);
  await db.close(1_000);
});

/** Without the triggers, which are not asked here and take most of the time. Few actors and objects have most events. */
async function load(): Promise<void> {
  await db.sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`set local statement_timeout = 0`;
    await tx`
      insert into audit_log (occurred_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values)
      select timestamptz '2026-04-01 00:00:00+00' + (n - 1) * interval '90 days' / ${rows},
        'actor-' || floor(200 * random() ^ 3), 'key-' || n % 50, (array['created', 'updated', 'deleted'])[1 + n % 3],
        'table-' || n % 5, 'object-' || floor(5000 * random() ^ 3), json_build_object('team_id', 'team-' || n % 300),
        json_build_object('token', md5(n::text), 'limits', json_build_object('rpm', n % 1000), 'note', 'word' || n % 700)
      from generate_series(1, ${rows}) n`;
  });
}

async function analyze(): Promise<void> {
  const session = await db.sql.reserve();
  await session`set statement_timeout = 0`;
  await session`vacuum analyze audit_log`;
  session.release();
}

const equalities = {
  changed_by: { changedBy: ['actor-3'] },
  changed_by_api_key: { changedByApiKey: ['key-7'] },
  action: { action: ['deleted'] },
  table_name: { tableName: ['table-2'] },
  object_id: { objectId: ['object-12'] },
} satisfies Record<string, EventFilter>;

const from = '2026-05-10T00:00:00.000000Z';
const to = '2026-05-20T00:00:00.000000Z';
const many = (name: string, count: number) => Array.from({ length: count }, (_, n) => `${name}-${n}`);

const filters: Record<string, EventFilter> = {
  none: {},
  ...equalities,
  'a value that nobody has': { changedBy: ['nobody'] },
  start_date: { occurredFrom: from },
  end_date: { occurredTo: to },
  'both dates': { occurredFrom: from, occurredTo: to },
  'dates of no event': { occurredFrom: '2001-01-01T00:00:00Z', occurredTo: '2001-02-01T00:00:00Z' },
  object_team_id: { teamId: 'team-9' },
  object_key_hash: { keyHash: 'c4ca4238a0b923820dcc509a6f75849b' },
  search: { anyId: 'object-12' },
  'three actors': { changedBy: many('actor', 3) },
  'more actors than there are branches': { changedBy: many('actor', 40) },
  'two lists': { action: ['created', 'deleted'], tableName: many('table', 3) },
  'search among two actions': { anyId: 'object-12', action: ['created', 'deleted'] },
  changed_by_prefix: { changedByPrefix: 'actor-1' },
  q: { words: 'word17' },
  'q of two words': { words: 'word17 9' },
  'a place in a value': { values: [{ column: 'updated_values', path: ['limits', 'rpm'], equals: '17' }] },
  // The index of words holds no booleans: without dates such a question looks at all events.
  'a place that no index knows, and a date': {
    values: [{ column: 'updated_values', path: ['limits', 'on'], equals: 'true' }],
    occurredFrom: from,
  },
  'all five': Object.assign({}, ...Object.values(equalities)),
  'an actor, dates and q': { changedBy: ['actor-3'], occurredFrom: from, occurredTo: to, words: 'word17' },
  recorded_after: { recordedAfter: from, recordedBefore: to },
};

const orders = Object.keys(sortKeys).flatMap((by) =>
  (['asc', 'desc'] as const).map((direction) => ({ by, direction }) as EventOrder),
);
const newestFirst: EventOrder = { by: 'updated_at', direction: 'desc' };

function middleOf({ by }: EventOrder): EventPosition {
  const middles = { timestamptz: from, uuid: '80000000-0000-4000-8000-000000000000', text: 'object-12' };
  return sortKeys[by].map((column) => middles[typeOf(column)]);
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}

async function planOf(statement: Fragment): Promise<Plan> {
  const [row] = await reader.sql<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>`explain (format json) ${statement}`;
  if (!row) throw new Error('There is no plan.');
  return row['QUERY PLAN'][0].Plan;
}

const page = (query: Partial<EventQuery>): EventQuery => ({
  filter: {},
  order: newestFirst,
  after: null,
  offset: 0,
  limit: 10,
  countUpTo: null,
  ...query,
});

const isOfEvents = (plan: Plan) => plan['Relation Name']?.startsWith('audit_log') ?? false;

function scansOfAll(plan: Plan): string[] {
  const here = plan['Node Type'] === 'Seq Scan' && isOfEvents(plan) ? [plan['Relation Name'] as string] : [];
  return [...here, ...(plan.Plans ?? []).flatMap(scansOfAll)];
}

/** Sorts of rows that no limit has cut yet. */
function sortsOfAll(plan: Plan, above: readonly string[] = []): string[] {
  const path = plan['Node Type'] === 'Limit' ? [] : [...above, plan['Node Type']];
  const here = isOfEvents(plan) && path.some((type) => type.includes('Sort')) ? [path.join(' > ')] : [];
  return [...here, ...(plan.Plans ?? []).flatMap((below) => sortsOfAll(below, path))];
}

describe.each([
  ['over an empty table', async () => {}],
  ['after a bulk load, before any statistics', load],
  ['after analyze', analyze],
])('%s', (_, prepare) => {
  beforeAll(prepare, 3_600_000);

  test.each(Object.entries(filters))(
    '%s: no order, page, cursor or count reads a whole partition',
    async (_, filter) => {
      const pages = orders.map((order) => page({ filter, order, countUpTo: 1_000_000 }));
      const down = orders.filter(({ direction }) => direction === 'desc');
      const behind = down.map((order) => page({ filter, order, after: middleOf(order) }));
      const deep = page({ filter, offset: 5_000, countUpTo: 1_000_000 });
      for (const query of [...pages, ...behind, deep]) {
        expect(scansOfAll(await planOf(findStatement(reader.sql, query))), JSON.stringify(query)).toEqual([]);
      }
      const range = { occurredFrom: from, occurredTo: to, ...filter };
      const count = countStatement(reader.sql, { filter: range, interval: 'hour', groupBy: 'action', maxGroups: 20 });
      expect(scansOfAll(await planOf(count))).toEqual([]);
    },
  );

  const ordered: Record<string, EventFilter> = {
    none: {},
    ...equalities,
    'three actors': { changedBy: many('actor', 3) },
  };
  test.each(Object.entries(ordered))(
    '%s: the newest are read in the order of an index, not sorted out of all',
    async (_, filter) => {
      // Of a page, and of a part of an export, which is as large as what statistics that are missing expect at all.
      for (const limit of [10, 2_000])
        for (const after of [null, middleOf(newestFirst)])
          expect(sortsOfAll(await planOf(findStatement(reader.sql, page({ filter, after, limit }))))).toEqual([]);
    },
  );
});
