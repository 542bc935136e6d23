import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { DatabaseError } from '../database/database-error.ts';
import { defaultSchema, useSchema } from '../database/schema-name.ts';
import { literalSql, printLiteral } from '../sql/literal-sql.ts';
import { type ExpectedTrigger, expectedTables, expectedTriggers } from './expected-schema.ts';

/** The node of a Citus cluster that has the rows of a distributed schema. */
export interface NodeOfShards {
  /** Runs statements that only read there. A row comes as JSON, so a bigint must be a text or a float8. */
  readonly db: Database;
  /** The tables that have the rows, months included. */
  readonly tables: readonly string[];
  readonly triggers: readonly ExpectedTrigger[];
}

/**
 * Caller: the doctor, in a distributed schema.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findNodeOfShards(db: Database, schema: string = defaultSchema): Promise<NodeOfShards> {
  const shards = await db.query(
    (sql) => sql<{ table: string; shard: string }[]>`
      select c.relname as table, s.shardid::text as shard
      from pg_catalog.pg_dist_shard s join pg_class c on c.oid = s.logicalrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'auditbox' order by c.relname`,
  );
  const known = new Set(expectedTables.map(({ name }) => name));
  const ours = shards
    .map(({ table, shard }) => ({ root: known.has(table) ? table : table.replace(/_\d{4}_\d\d$/, ''), table, shard }))
    .filter(({ root }) => known.has(root));
  return {
    db: atNode(db, schema),
    tables: ours.map(({ table, shard }) => `${table}_${shard}`),
    // Citus adds the number of the shard to each name.
    triggers: ours.flatMap(({ root, table, shard }) =>
      expectedTriggers
        .filter((one) => one.table === root)
        .map((one) => ({ ...one, table: `${table}_${shard}`, trigger: `${one.trigger}_${shard}` })),
    ),
  };
}

/** Sends each statement through the coordinator as a text, because the node may not let this process in. */
function atNode(db: Database, schema: string): Database {
  const texts = useSchema(literalSql, schema);
  const query: Database['query'] = async <T>(send: (sql: Sql) => PromiseLike<T>): Promise<T> => {
    const statement = printLiteral(send(texts) as unknown as Fragment);
    const rows = `select coalesce(json_agg(r), '[]')::text from (${statement}) r`;
    const [answer] = await db.query(
      // Citus formats the text with the name of the shard.
      (sql) => sql<{ success: boolean; result: string }[]>`
        select success, result from run_command_on_placements('auditbox.frontier'::regclass, ${rows.replaceAll('%', '%%')})`,
    );
    if (answer === undefined) throw new DatabaseError('CONNECT', 'No node has the rows.');
    if (!answer.success) throw new DatabaseError('XX000', `The node of the shards answered: ${answer.result}`);
    return JSON.parse(answer.result) as T;
  };
  return { ...db, query };
}
