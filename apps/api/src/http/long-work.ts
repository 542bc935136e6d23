import { finish, type Steps } from '@auditbox/core/steps.ts';
import { getHolder } from '@auditbox/db/database/holder.ts';

/*
 * Work on a request that may take longer than a few milliseconds is cut into pieces. Between two pieces the process answers
 * other requests. The pieces of all requests take turns, because ten requests with a piece each would otherwise hold the
 * process ten times as long.
 *
 * Node accepts one connection in each turn of the event loop, so a hundred that arrive together wait for a hundred turns. The
 * pieces wait for them, because a turn without a piece is short: otherwise the last connection, such as that of a health check,
 * would get its answer after seconds.
 */

const pieceMs = 10;
/** Each piece waits this long at most for connections that arrive: a caller that opens connections all the time must not stop long work. */
const arrivalsMs = 40;
/** Work on less text than this is one piece that needs no turn. */
export const shortText = 16_384;

/** The pieces of each key, in the order in which the keys were served: ten requests of one key wait for each other. */
const waiting = new Map<string, (() => void)[]>();
let isScheduled = false;
let hasArrival = false;
/** When the pieces began to wait for connections; null: they do not. */
let waitsSince: number | null = null;

/** Says that a connection was accepted in this turn. More may wait behind it. */
export function noteArrival(): void {
  hasArrival = true;
}

/** Resolves in a turn of the event loop in which no other long work runs. Keys take turns. */
export function awaitTurn(): Promise<void> {
  const holder = getHolder();
  return new Promise((resolve) => {
    const pieces = waiting.get(holder);
    if (pieces === undefined) waiting.set(holder, [resolve]);
    else pieces.push(resolve);
    schedule();
  });
}

function takeNext(): (() => void) | undefined {
  const [first] = waiting;
  if (first === undefined) return undefined;
  const [holder, pieces] = first;
  const piece = pieces.shift();
  waiting.delete(holder);
  if (pieces.length > 0) waiting.set(holder, pieces);
  return piece;
}

/** Lets other work come in between after each `shortText` characters: comparing takes about a millisecond for ten thousand. */
export function createRest(): (length: number) => Promise<void> {
  let worked = 0;
  return async (length) => {
    worked += length;
    if (worked <= shortText) return;
    worked = 0;
    await awaitTurn();
  };
}

function schedule(): void {
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    if (!mustWait()) takeNext()?.();
    if (waiting.size > 0) schedule();
  });
}

/** Whether connections that arrive come first in this turn. */
function mustWait(): boolean {
  const now = performance.now();
  const hadArrival = hasArrival;
  hasArrival = false;
  waitsSince ??= now;
  if (hadArrival && now - waitsSince < arrivalsMs) return true;
  waitsSince = null;
  return false;
}

/** Runs a generator to its end and resolves to its result. Each `yield` is a place where other work may come between. */
export async function runInPieces<T>(steps: Iterator<void, T>): Promise<T> {
  for (;;) {
    await awaitTurn();
    const until = performance.now() + pieceMs;
    do {
      const step = steps.next();
      if (step.done) return step.value;
    } while (performance.now() < until);
  }
}

/** Work that takes no longer than this waits for no turn. */
const atOnceMs = 1;

/**
 * Runs a generator to its end. It waits for a turn only if it takes longer than a millisecond: an event that is sent again is
 * compared in microseconds, and other events wait for it.
 */
export function startInPieces<T>(steps: Steps<T>): T | Promise<T> {
  const until = performance.now() + atOnceMs;
  do {
    const step = steps.next();
    if (step.done) return step.value;
  } while (performance.now() < until);
  return runInPieces(steps);
}

/** Runs a generator in pieces if the text that it works on is long, else at once. */
export function runSteps<T>(steps: Steps<T>, textLength: number): T | Promise<T> {
  return textLength <= shortText ? finish(steps) : runInPieces(steps);
}

/** Items of `spread` are worked on for this long in a turn: half as long as a piece, because closing what they close comes after. */
const spreadMs = pieceMs / 2;

/**
 * Does something for each item, one after the other, and for a few milliseconds at most in each turn of the event loop. Node calls
 * the timers of thousands of connections in one turn.
 */
export function spread<T>(work: (item: T) => void): (item: T) => void {
  let items: T[] = [];
  let done = 0;

  function workOn(): void {
    const until = performance.now() + spreadMs;
    try {
      while (done < items.length && performance.now() < until) {
        done += 1;
        work(items[done - 1] as T);
      }
    } finally {
      if (done < items.length) setImmediate(workOn);
      else {
        items = [];
        done = 0;
      }
    }
  }

  return (item) => {
    if (items.push(item) === 1) setImmediate(workOn);
  };
}
