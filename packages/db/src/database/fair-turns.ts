import { DatabaseError } from './database-error.ts';
import { getHolder } from './holder.ts';

/** How much work may run and wait at once, in all and for each holder. A holder's share is smaller, so that it cannot take everything. */
export interface TurnLimits {
  readonly running: number;
  readonly runningEach: number;
  readonly waiting: number;
  readonly waitingEach: number;
  /** Work that has waited this long is rejected as busy. */
  readonly waitMs: number;
}

export interface FairTurns {
  run<T>(work: () => Promise<T>): Promise<T>;
  /** How much work waits. */
  readonly waiting: number;
}

/** The work of one holder. */
interface Line {
  running: number;
  /** Each begins the work that waits. */
  readonly waiting: Set<() => void>;
}

/**
 * Runs work of many holders in turns. The next turn is that of the holder with the least work that runs; of equal ones, of the one
 * that was served longest ago. The work of one holder runs in the order of the calls. Rejects with the error of `tooMany` if too
 * much waits.
 */
export function createFairTurns(
  limits: TurnLimits,
  tooMany: (waiting: number) => Error = DatabaseError.busy,
): FairTurns {
  /** In the order in which they were served. */
  const lines = new Map<string, Line>();
  let running = 0;
  let waiting = 0;

  /** Behind all others, because it is served now. */
  function begin(holder: string, line: Line): void {
    lines.delete(holder);
    lines.set(holder, line);
    running += 1;
    line.running += 1;
  }

  function wait(holder: string, line: Line): Promise<void> {
    if (waiting >= limits.waiting || line.waiting.size >= limits.waitingEach) throw tooMany(line.waiting.size);
    waiting += 1;
    lines.set(holder, line);
    return new Promise((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer);
        line.waiting.delete(turn);
        waiting -= 1;
        resolve();
      };
      const timer = setTimeout(() => {
        line.waiting.delete(turn);
        waiting -= 1;
        forgetIfIdle(holder, line);
        reject(tooMany(line.waiting.size));
      }, limits.waitMs);
      line.waiting.add(turn);
    });
  }

  function forgetIfIdle(holder: string, line: Line): void {
    if (line.running === 0 && line.waiting.size === 0) lines.delete(holder);
  }

  /** Whose turn is next. */
  function chooseNext(): readonly [string, Line] | null {
    let next: readonly [string, Line] | null = null;
    for (const [holder, line] of lines) {
      if (line.waiting.size === 0 || line.running >= limits.runningEach) continue;
      if (next === null || line.running < next[1].running) next = [holder, line];
    }
    return next;
  }

  function end(holder: string, line: Line): void {
    running -= 1;
    line.running -= 1;
    forgetIfIdle(holder, line);
    const next = chooseNext();
    if (next === null) return;
    const [served, its] = next;
    begin(served, its);
    const [turn] = its.waiting;
    turn?.();
  }

  async function run<T>(work: () => Promise<T>): Promise<T> {
    const holder = getHolder();
    const line = lines.get(holder) ?? { running: 0, waiting: new Set() };
    if (running < limits.running && line.running < limits.runningEach) begin(holder, line);
    else await wait(holder, line);
    try {
      return await work();
    } finally {
      end(holder, line);
    }
  }

  return {
    run,
    get waiting() {
      return waiting;
    },
  };
}
