import type { Database } from '../database/connect.ts';
import { isDistributed } from '../database/is-distributed.ts';
import { firstPlace, nodeOf } from './outbox-place.ts';

/*
 * How a feed knows that it misses nothing.
 *
 * A feed reads outbox rows in the order of their ids. Rows become visible in another order: a transaction that took the id
 * 7 may commit after the one that took 8, and a feed that has passed 8 would never see 7. So a feed ends at an id below
 * which no row can appear any more, found like this.
 *
 * A transaction takes an outbox id only while it holds a RowExclusiveLock on auditbox.outbox and after it got a transaction
 * id: its insert into audit_log came first. It keeps both until it ends. Postgres makes the rows of a transaction visible
 * before it releases its locks.
 *
 * A check is one statement. Its snapshot sees h, the greatest visible id. Afterwards it reads who holds that lock. The
 * sequence gives ids in order, so every id up to h was taken before the snapshot. A row up to h that the snapshot does not
 * see belongs to a transaction that held the lock at the snapshot. Either that transaction is among the holders which the
 * check found, or it ended before they were read. So when no holder that a check found has its transaction id any more,
 * a later snapshot sees every row up to h that was or will be committed: h is safe.
 *
 * The transaction id identifies a holder, because a prepared transaction keeps it and belongs to no session. A transaction
 * has a lock on each of its ids, subtransactions included, and on the first one until its end. pg_locks shows all of
 * this to everybody, whatever `track_activities`, row-level security and the clocks say.
 *
 * Limits. Holders are known on the primary alone. An id that the sequence gives twice (it was set back by hand) can appear
 * behind a feed. After a failover to a standby that lacks the last commits, a feed may be ahead of the new primary.
 * A superuser who inserts into auditbox.outbox directly may take an id before he has a transaction id.
 *
 * On Citus each node gives out ids from its own range, and the above holds for the node that has the rows now. A move to another
 * node waits for the writers, so no row with an id of a former node can appear: all ids of former nodes are safe.
 */

/** How far feeds may read now, among the ids of one server. */
export interface FeedEdge {
  /** The node of a Citus cluster that gave the ids out; null on Postgres. */
  readonly node: bigint | null;
  /** Outbox ids up to this one are safe. Reads must come after the answer. */
  readonly safe: bigint;
  /** The greatest outbox id that was visible. */
  readonly greatest: bigint;
}

/** Of the server that gives ids out now, and of the nodes that gave some out before. */
export type FeedEdges = readonly [FeedEdge, ...FeedEdge[]];

interface Check {
  readonly greatest: bigint;
  readonly holders: readonly string[];
}

/** What a process remembers of a server's ids. */
interface Progress {
  readonly safe: bigint;
  /** Greater than `safe`, in order. */
  readonly checks: readonly Check[];
}

const noProgress: Progress = { safe: 0n, checks: [] };

/** Kept while old transactions run. Beyond it, every second one is dropped: feeds then move in larger steps. */
const maxChecks = 64;

/**
 * Remembers the checks of a process. The edge of a process that has just started is 0 while transactions run that began
 * before it.
 */
export function createFeedEdge(db: Database): () => Promise<FeedEdges> {
  const progress = new Map<bigint | null, Progress>();

  return async () => {
    const remembered = new Map(progress);
    const known = new Set([...remembered.values()].flatMap(({ checks }) => checks.flatMap(({ holders }) => holders)));
    const { node, check, running, former } = await readHolders(db, [...known]);
    // Other calls may have added checks in between.
    let { safe, checks } = progress.get(node) ?? noProgress;
    // A restored database or another primary: what was found before means nothing.
    if (check.greatest < safe) [safe, checks] = [0n, []];
    for (const one of [...(remembered.get(node) ?? noProgress).checks, check]) {
      const hasEnded = one.holders.every((holder) => !running.has(holder));
      if (hasEnded && one.greatest > safe && one.greatest <= check.greatest) safe = one.greatest;
    }
    const waiting = [...checks, check].filter(({ greatest }) => greatest > safe).sort(byGreatest);
    progress.set(node, {
      safe,
      checks: waiting.length > maxChecks ? waiting.filter((_check, index) => index % 2 === 0) : waiting,
    });
    return [{ node, safe, greatest: check.greatest }, ...former];
  };
}

function byGreatest(a: Check, b: Check): number {
  return a.greatest < b.greatest ? -1 : a.greatest > b.greatest ? 1 : 0;
}

interface Holders {
  readonly node: bigint | null;
  readonly check: Check;
  readonly running: ReadonlySet<string>;
  readonly former: readonly FeedEdge[];
}

/**
 * A check, and which of the `known` transactions and of the check's own holders still run.
 *
 * Caller: `GET /audit` in the order of recording, on the primary.
 * Locks: those of the lock table, for less than a millisecond.
 * Crash: nothing is written.
 */
async function readHolders(db: Database, known: readonly string[]): Promise<Holders> {
  if (await isDistributed(db)) return readHoldersOfShards(db, known);
  const [row] = await db.query(
    (sql) => sql<[{ greatest: string; holders: string; running: string }]>`
      with lock as materialized (
        -- Everything else in this statement sees the snapshot, which is older than this reading of the lock table.
        select locktype, relation, database, mode, virtualtransaction, pid, transactionid::text as xid
        from pg_catalog.pg_locks where granted
      ), own as (
        select virtualtransaction, pid, xid from lock where locktype = 'transactionid' and mode = 'ExclusiveLock'
      ), holder as (
        select distinct own.xid
        from lock join own on own.virtualtransaction = lock.virtualtransaction and own.pid is not distinct from lock.pid
        where lock.locktype = 'relation' and lock.relation = 'auditbox.outbox'::regclass and lock.mode = 'RowExclusiveLock'
          and lock.database = (select oid from pg_catalog.pg_database where datname = current_database())
      )
      select
        coalesce((select max(id) from auditbox.outbox), 0)::text as greatest,
        coalesce((select json_agg(xid) from holder), '[]')::text as holders,
        coalesce((
          select json_agg(xid) from own
          where xid in (select * from json_array_elements_text(${JSON.stringify(known)}::text::json))
            or xid in (select xid from holder)
        ), '[]')::text as running`,
  );
  const holders: string[] = JSON.parse(row.holders);
  return {
    node: null,
    check: { greatest: BigInt(row.greatest), holders },
    running: new Set(JSON.parse(row.running)),
    former: [],
  };
}

/**
 * The same in a distributed schema of Citus: the node of the shards runs the whole statement, its functions too. There the trigger
 * takes ids and locks for every writer, whichever node the writer is connected to.
 *
 * Caller, Locks, Crash: as above, at the node.
 */
async function readHoldersOfShards(db: Database, known: readonly string[]): Promise<Holders> {
  const [row] = await db.query(
    (sql) => sql<[{ node: string; greatest: string; found: string }]>`
      with recursive node (greatest) as (
        select max(id) from auditbox.outbox
        union all
        select (select max(o.id) from auditbox.outbox o where o.id < (node.greatest >> 48) << 48)
        from node where node.greatest is not null
      )
      select (lower(auditbox.outbox_ids_given()) >> 48)::text as node,
        coalesce((select json_agg(greatest::text) from node where greatest is not null), '[]')::text as greatest,
        auditbox.outbox_holders(${JSON.stringify(known)}::text) as found
      -- A table, so that Citus sends the statement to its node; there may be no row.
      from (select 1) one left join auditbox.frontier on true`,
  );
  const { holders, running } = JSON.parse(row.found) as Record<'holders' | 'running', string[]>;
  const node = BigInt(row.node);
  const ids = (JSON.parse(row.greatest) as string[]).map(BigInt);
  const former = ids
    .filter((id) => nodeOf(id) !== node)
    .map((greatest) => ({ node: nodeOf(greatest), safe: greatest, greatest }));
  const greatest = ids.find((id) => nodeOf(id) === node) ?? firstPlace(node);
  return { node, check: { greatest, holders }, running: new Set(running), former };
}
