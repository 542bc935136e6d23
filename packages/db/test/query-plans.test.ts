import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { columnType, type EventOrder, type EventPosition, sortKeys } from '@auditbox/db/queries/event-order.ts';
import { findStatement } from '@auditbox/db/queries/find-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** By hand with a million or ten: PLAN_ROWS=10000000. */
const rows = Number(process.env.PLAN_ROWS ?? 30_000);

let db: TestDatabase;
let reader: Database;
beforeAll(async () => {
  db = await openTestDatabase();
  for (const month of ['05', '06'])
    await db.sql`select auditbox.make_month(${`2026-${month}-15T00:00:00Z`}::timestamptz)`;
  // As the api's readers are.
  reader = connectDatabase({
    url: db.url,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
    avoidSeqScans: true,
    onlyReads: 'in order',
  });
});
afterAll(async () => {
  await reader.close(1_000);
  await db.close(1_000);
});

const parts: Record<string, Omit<EventFilter, 'tenant'>> = {
  none: {},
  changed_by: { changedBy: ['user1'] },
  changed_by_api_key: { changedByApiKey: ['key1'] },
  action: { action: ['deleted'] },
  table_name: { tableName: ['t1'] },
  object_id: { objectId: ['o1'] },
  object_team_id: { teamId: 'team-1' },
  object_key_hash: { keyHash: 'hash-1' },
  recorded_by: { recordedBy: ['key:1:a'] },
  search: { anyId: 'o1' },
  dates: { occurredFrom: '2026-06-01T00:00:00Z', occurredTo: '2026-06-02T00:00:00Z' },
  'dates and changed_by': { changedBy: ['user1'], occurredFrom: '2026-06-01T00:00:00Z' },
  'several actions': { action: ['blocked', 'unblocked'] },
  'many objects': { objectId: Array.from({ length: 40 }, (_, n) => `o${n}`) },
  changed_by_prefix: { changedByPrefix: 'user1' },
  recorded_after: { recordedAfter: '2026-06-01T00:00:00Z' },
};
const filters: Record<string, EventFilter> = Object.fromEntries(
  Object.entries(parts).map(([name, filter]) => [name, { tenant: allTenants, ...filter }]),
);

/** Those whose events an index has in the order of event time. */
const ordered = [
  'none',
  'changed_by',
  'changed_by_api_key',
  'action',
  'table_name',
  'object_id',
  'object_team_id',
  'object_key_hash',
  'search',
  'several actions',
];

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

async function planOf(filter: EventFilter, order: EventOrder, after: EventPosition | null): Promise<PlanNode> {
  const query = { filter, order, after, offset: 0, limit: 50, countUpTo: after === null ? 1_000_000 : null };
  const [row] = await reader.sql<[{ 'QUERY PLAN': [{ Plan: PlanNode }] }]>`
    explain (format json) ${findStatement(reader.sql, query)}`;
  return row['QUERY PLAN'][0].Plan;
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];
const readsRecord = (node: PlanNode) => node['Relation Name']?.startsWith('audit_log') === true;

/** Sorts of what no limit has cut before. */
function sortsOfAll(node: PlanNode): PlanNode[] {
  const reaches = (inner: PlanNode): boolean =>
    readsRecord(inner) || (inner['Node Type'] !== 'Limit' && (inner.Plans ?? []).some(reaches));
  return nodesOf(node).filter((sort) => /Sort$/.test(sort['Node Type']) && (sort.Plans ?? []).some(reaches));
}

function positionIn({ by }: EventOrder): EventPosition {
  const examples = {
    uuid: '00000000-0000-4000-8000-000000000000',
    timestamptz: '2026-06-15T00:00:00.000000Z',
    text: 'm',
  };
  return sortKeys[by].map((column) => examples[columnType(column)]);
}

const orders = (Object.keys(sortKeys) as (keyof typeof sortKeys)[]).flatMap((by) =>
  (['asc', 'desc'] as const).map((direction) => ({ by, direction })),
);

const states: [string, () => Promise<unknown>][] = [
  ['an empty record', async () => {}],
  [
    'a bulk load that nobody analyzed',
    async () => {
      for (const { table } of await db.sql<{ table: string }[]>`
        select relid::regclass::text as table from pg_partition_tree('auditbox.audit_log') where isleaf`)
        await db.sql`alter table ${db.sql(table)} set (autovacuum_enabled = off)`;
      // Without a timeout: millions take their time.
      const loader = postgres(db.url, { max: 1, onnotice: () => {} });
      await loader`
        insert into auditbox.audit_log (occurred_at, changed_by, changed_by_api_key, action, table_name, object_id, updated_values)
        select timestamptz '2026-05-01' + n * interval '80 days' / ${rows}::int, 'user' || n % 100, 'key' || n % 50,
          case when n % 1000 = 0 then 'blocked' else 'updated' end, 't' || n % 11, 'o' || n % 5000,
          -- Every third one is JSON text inside a JSON string, as LiteLLM writes it.
          case n % 3 when 0 then to_json(json::text)::json else json end
        from generate_series(1, ${rows}::int) n
        cross join lateral (
          select format('{"team_id":"team-%s","token":"hash-%s","a":%s}', n % 20, n % 3000, n)::json as json
        ) event`;
      await loader.end();
    },
  ],
  [
    'the same, analyzed',
    async () => {
      expect((await db.sql`select count(*)::int as count from auditbox.audit_log`)[0]?.count).toBe(rows);
      await db.sql`analyze auditbox.audit_log`;
    },
  ],
];

describe.each(states)('with %s', (_state, reach) => {
  beforeAll(async () => {
    await reach();
  }, 3_600_000);

  test.each(Object.entries(filters))(
    'no list by %s reads a partition from end to end, in any order',
    async (_name, filter) => {
      for (const order of orders) {
        for (const after of [null, positionIn(order)]) {
          const nodes = nodesOf(await planOf(filter, order, after)).filter(readsRecord);
          expect(nodes.filter((node) => node['Node Type'] === 'Seq Scan')).toEqual([]);
        }
      }
    },
  );

  test.each([
    ['object_team_id', 'team_id'],
    ['object_key_hash', 'key_hash'],
  ])(
    'a page by %s reads no events of others, also where the values are JSON text inside a string',
    async (name, column) => {
      const order = { by: 'updated_at', direction: 'desc' } as const;
      const indexes = nodesOf(await planOf(filters[name] as EventFilter, order, positionIn(order)))
        .filter(readsRecord)
        .map((node) => node['Index Name'] ?? node['Node Type']);
      for (const part of [`_${column}`, `_former_${column}`]) {
        expect(indexes).toContainEqual(expect.stringMatching(new RegExp(`${part}_occurred_at_id_idx|${part}$`)));
      }
      expect(indexes.filter((index) => !/team_id|key_hash|expr|nullif/.test(index))).toEqual([]);
    },
  );

  test.each(ordered)('a page by %s comes in the order of event time without a sort of all that match', async (name) => {
    for (const direction of ['asc', 'desc'] as const) {
      const order = { by: 'updated_at', direction } as const;
      expect(sortsOfAll(await planOf(filters[name] as EventFilter, order, positionIn(order)))).toEqual([]);
    }
  });
});
