import type { Database } from './connect.ts';
import { DatabaseError } from './database-error.ts';

/** How many statements of a pool may run and wait at once. */
export interface QueueLimits {
  readonly running: number;
  readonly waiting: number;
  /** A statement that has waited this long is rejected as busy. */
  readonly waitMs: number;
}

/**
 * The same pool with a queue in front, for statements that may each take long. A statement's deadline begins when its turn
 * comes; in the driver's own queue it would run out before the statement is sent.
 */
export function queueStatements(db: Database, { running: most, waiting: mostWaiting, waitMs }: QueueLimits): Database {
  let running = 0;
  const waiting = new Set<() => void>();

  function enter(): Promise<void> {
    if (running < most) {
      running += 1;
      return Promise.resolve();
    }
    if (waiting.size >= mostWaiting) throw DatabaseError.busy(waiting.size);
    return new Promise((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        waiting.delete(turn);
        reject(DatabaseError.busy(waiting.size));
      }, waitMs);
      waiting.add(turn);
    });
  }

  /** Gives the turn to the statement that waits longest. */
  function leave(): void {
    const [next] = waiting;
    if (next === undefined) {
      running -= 1;
      return;
    }
    waiting.delete(next);
    next();
  }

  return Object.create(db, {
    query: {
      value: async (send: Parameters<Database['query']>[0]) => {
        await enter();
        try {
          return await db.query(send);
        } finally {
          leave();
        }
      },
    },
  }) as Database;
}
