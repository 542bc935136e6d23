import type { Grain } from '@auditbox/core/export/partition.ts';
import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { isDistributed } from '../database/is-distributed.ts';

/** When outbox rows become a batch, and how large. */
export interface SealLimits {
  readonly grain: Grain;
  readonly maxRows: number;
  /** Of uncompressed NDJSON. A larger row gets a batch to itself. */
  readonly maxBytes: number;
  /** Whether a batch holds events of one tenant only. */
  readonly byTenant: boolean;
  /** How long a row may wait for company in its partition. */
  readonly lingerMs: number;
  /** Most batches of one call: a backfill over a thousand hours must not become a thousand uploads at once. */
  readonly maxBatches: number;
}

/** What a call did. */
export interface Sealed {
  /** False while another sealer works: this call looked at nothing. */
  readonly looked: boolean;
  readonly batches: number;
  readonly rows: number;
  /** Whether the call read as many rows as it may, so that there may be more. */
  readonly more: boolean;
  /** How long until the oldest row that waits for company has waited enough; null if no row waits. */
  readonly ripeInMs: number | null;
  /** Whether the frontier contradicted the batches and was made anew. Somebody changed it by hand: raise an alarm. */
  readonly repaired: boolean;
}

/**
 * Puts outbox rows into batches, oldest first, each with a delivery for every destination. `auditbox.seal` says how and
 * why it is correct; `auditbox.seal_in_steps` is its form for Citus.
 *
 * Caller: the exporter's sealer, and drain, outside of any transaction.
 * Locks: the frontier's row, which a second sealer skips. Then the destinations' rows, against removal alone.
 * Crash: all of it is committed or none; a sealed batch is there for any exporter to lease.
 */
export async function sealBatches(db: Database, limits: SealLimits): Promise<Sealed> {
  const { grain, byTenant, maxRows, maxBytes, lingerMs, maxBatches } = limits;
  // Citus refuses a statement that reads rows, inserts and updates at once.
  const seal = (await isDistributed(db)) ? 'auditbox.seal_in_steps' : 'auditbox.seal';
  try {
    const [sealed] = await db.query(
      (sql) => sql<[Omit<Sealed, 'repaired'>]>`
        select looked, batches, rows::int, more, ripe_in_ms as "ripeInMs"
        from ${sql.unsafe(seal)}(
          ${grain}, ${maxRows}::int, ${maxBytes}::bigint, ${lingerMs}::float8, ${maxBatches}::int, ${byTenant})`,
    );
    return { ...sealed, repaired: false };
  } catch (error) {
    if (!contradictsBatches(error)) throw error;
    await db.query((sql) => sql`select auditbox.repair_frontier()`);
    return { looked: true, batches: 0, rows: 0, more: true, ripeInMs: 0, repaired: true };
  }
}

/** An id would get into two batches, or the frontier's row is gone. */
function contradictsBatches(error: unknown): boolean {
  const code = toDatabaseError(error)?.code;
  return code === '23P01' || code === 'P0002';
}
