import { once } from 'node:events';
import type { ProcessLog } from './log.ts';

/** Resolves once a signal is aborted; at once if it already is. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** The two stages of a shutdown. */
export interface Shutdown {
  /** Aborted first: take no new work, finish the work in progress. */
  readonly taking: AbortSignal;
  /** Aborted later: give up the work in progress. */
  readonly working: AbortSignal;
}

/** npm forwards Ctrl-C to a process that has it from the terminal already, so one key press arrives twice. */
const samePressMs = 1_000;

/**
 * The first SIGTERM, SIGINT or SIGHUP aborts `taking`, and `graceMs` later `working`. A second signal ends the process at once, unless it
 * arrives within a second of the first. That loses nothing, because leases expire by themselves.
 */
export function listenForShutdown(log: ProcessLog, graceMs: number): Shutdown {
  const taking = new AbortController();
  const working = new AbortController();
  let firstAt = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (taking.signal.aborted && performance.now() - firstAt < samePressMs) return;
    if (taking.signal.aborted) {
      log.secondSignal(signal);
      process.exit(1);
    }
    firstAt = performance.now();
    log.stopping(signal, graceMs);
    taking.abort();
    setTimeout(() => working.abort(), graceMs).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // The terminal was closed. Node ends at it under `nohup` too.
  process.on('SIGHUP', onSignal);
  return { taking: taking.signal, working: working.signal };
}
