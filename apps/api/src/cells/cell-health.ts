import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError, deadlineOverCode } from '@auditbox/db/database/database-error.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { FutureEventError, nameCell } from '@auditbox/db/events/event-refused-error.ts';

/** Which cells answer. */
export interface CellHealth {
  isUp(name: string): boolean;
  /** Whether its clock is so far behind that it refuses events of now. Known only once it has refused one. */
  isBehind(name: string): boolean;
  /**
   * Passes the outcome of a statement in a cell on, and remembers whether the cell answered. Names the cell in an error, but
   * not in `DatabaseError.late`: another cell may have used the deadline up.
   */
  watch<T>(name: string, outcome: Promise<T>): Promise<T>;
  /** Remembers why a cell refused one of several events, and names the cell in the error. */
  noteEventError(name: string, error: Error): void;
}

/** A cell that failed is tried again after this long. */
const restMs = 5_000;
/** A cell that has answered nothing for this long, although it was asked, counts as down: the deadlines are much longer. */
const silentMs = 2_000;
/** A cell whose clock is this much behind refuses events of now. */
const mostBehindMs = 300_000;

interface CellState {
  readonly check: () => Promise<unknown>;
  /** ISO 8601 in UTC. */
  readonly readClock: () => Promise<string>;
  isBehind: boolean;
  /** By performance.now(): when the clock was last read. */
  clockReadAt: number;
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
      {
        check: () => checkDatabase(changesDb),
        readClock: () => databaseTime(changesDb),
        isBehind: false,
        clockReadAt: Number.NEGATIVE_INFINITY,
        retryAt: null,
        isChecking: false,
        waiting: 0,
        since: 0,
      },
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

  /** Compares the clock of a cell with that of this process, at most once in a while. */
  function compareClock(state: CellState): void {
    const now = performance.now();
    if (now - state.clockReadAt < restMs) return;
    state.clockReadAt = now;
    state.readClock().then(
      (time) => {
        state.isBehind = Date.parse(time) < Date.now() - mostBehindMs;
      },
      // Another check finds a cell that is down.
      () => {},
    );
  }

  function noteEventError(name: string, error: unknown): void {
    nameCell(error, name);
    if (error instanceof FutureEventError) compareClock(stateOf(name));
  }

  function noteSilence(state: CellState): void {
    const now = performance.now();
    if (state.waiting > 0 && now - state.since > silentMs) state.retryAt ??= now;
  }

  return {
    noteEventError,
    isBehind(name) {
      const state = stateOf(name);
      if (state.isBehind) compareClock(state);
      return state.isBehind;
    },
    isUp(name) {
      const state = stateOf(name);
      noteSilence(state);
      if (state.retryAt === null) return true;
      if (performance.now() >= state.retryAt && !state.isChecking) void check(state);
      return false;
    },
    async watch(name, outcome) {
      const state = stateOf(name);
      if (state.waiting === 0) state.since = performance.now();
      state.waiting += 1;
      let hasAnswered = true;
      try {
        const result = await outcome;
        state.retryAt = null;
        return result;
      } catch (error) {
        hasAnswered = !(error instanceof DatabaseError && error.code === deadlineOverCode);
        if (!hasAnswered) noteSilence(state);
        else noteEventError(name, error);
        if (hasAnswered && error instanceof DatabaseError && isDown(error)) state.retryAt = performance.now() + restMs;
        throw error;
      } finally {
        state.waiting -= 1;
        if (hasAnswered) state.since = performance.now();
      }
    },
  };
}

/** Whether the error says something about the cell, and not about the statement. */
function isDown({ kind }: DatabaseError): boolean {
  return !['data', 'constraint', 'conflict', 'unexpected'].includes(kind);
}
