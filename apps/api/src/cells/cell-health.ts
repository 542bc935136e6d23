import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';

/** Which cells answer. Events without an id are sent to those. */
export interface CellHealth {
  isUp(name: string): boolean;
  /** Passes the outcome of a statement in a cell on, and remembers whether the cell answered. */
  watch<T>(name: string, outcome: Promise<T>): Promise<T>;
}

/** A cell that failed is tried again after this long. */
const restMs = 5_000;
/** A cell that has answered nothing for this long, although it was asked, counts as down: the deadlines are much longer. */
const silentMs = 2_000;

interface CellState {
  readonly check: () => Promise<unknown>;
  /** By performance.now(); null while the cell answers. */
  retryAt: number | null;
  isChecking: boolean;
  /** Outcomes that are not known yet. */
  waiting: number;
  /** Since when the waiting outcomes have been waiting without any answer. */
  since: number;
}

/**
 * A cell that failed, or went silent, is down until it answers again. No request of a caller finds that out: a separate check
 * does, so that a cell that is down for hours delays nobody.
 */
export function createCellHealth(
  cells: readonly { readonly name: string; readonly changesDb: Database }[],
): CellHealth {
  const states = new Map(
    cells.map(({ name, changesDb }): [string, CellState] => [
      name,
      { check: () => checkDatabase(changesDb), retryAt: null, isChecking: false, waiting: 0, since: 0 },
    ]),
  );
  const stateOf = (name: string) => states.get(name) as CellState;

  async function check(state: CellState): Promise<void> {
    state.isChecking = true;
    try {
      await state.check();
      state.retryAt = null;
      state.since = performance.now();
    } catch {
      // Also what is wrong with the schema: no event is sent there.
      state.retryAt = performance.now() + restMs;
    } finally {
      state.isChecking = false;
    }
  }

  return {
    isUp(name) {
      const state = stateOf(name);
      const now = performance.now();
      if (state.waiting > 0 && now - state.since > silentMs) state.retryAt ??= now;
      if (state.retryAt === null) return true;
      if (now >= state.retryAt && !state.isChecking) void check(state);
      return false;
    },
    async watch(name, outcome) {
      const state = stateOf(name);
      if (state.waiting === 0) state.since = performance.now();
      state.waiting += 1;
      try {
        const result = await outcome;
        state.retryAt = null;
        return result;
      } catch (error) {
        if (error instanceof DatabaseError && isDown(error)) state.retryAt = performance.now() + restMs;
        throw error;
      } finally {
        state.waiting -= 1;
        state.since = performance.now();
      }
    },
  };
}

/** Whether the error says something about the cell, and not about the statement. */
function isDown({ kind }: DatabaseError): boolean {
  return !['data', 'constraint', 'conflict', 'unexpected'].includes(kind);
}
