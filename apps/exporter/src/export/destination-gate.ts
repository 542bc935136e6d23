import { type Backoff, retryDelayMs } from '@auditbox/core/export/retry-delay.ts';
import { sleep } from '@auditbox/process/sleep.ts';

/**
 * The state of the destination, for all uploads of this process.
 *
 *   open ── transient or blocked refusal ──▶ closed: one batch at a time probes, after a growing wait
 *   closed ── anything stored, or refused for its own sake ──▶ open
 *
 * Without it every sealed batch would be tried against a store that is down.
 */
export interface Gate {
  /** Waits until an upload may be tried, calling `onNap` now and then; null when `signal` was aborted first. */
  pass(signal: AbortSignal, onNap?: () => void): Promise<Pass | null>;
  /** Why everything is refused, or null. */
  readonly blockedReason: string | null;
  /** How long it has been so, or 0. */
  readonly blockedForMs: number;
  /** How long nothing has gone through, or 0. */
  readonly closedForMs: number;
}

/** The right to try one upload. `settle` must be called once. */
interface Pass {
  settle(result: PassResult): void;
}

/** How the try went: the destination took it or said no to this object; it refused; it was not asked. */
export type PassResult = 'reached' | 'not tried' | GateRefusal;

/** `code` says whether it is the same trouble as before; the reason may name the object. */
interface GateRefusal {
  readonly class: 'transient' | 'blocked';
  readonly code: string;
  readonly reason: string;
}

/** What the gate tells its owner, once for each change. */
export interface GateEvents {
  blocked(reason: string): void;
  resumed(): void;
}

/** Longest nap while waiting for a turn; a probe that ends early is noticed this late. */
const napMs = 100;

export function createGate(backoff: Backoff, events: GateEvents, random: () => number = Math.random): Gate {
  let failures = 0;
  let probing = false;
  let nextProbeAt = 0;
  let closedAt = 0;
  let blockedReason: string | null = null;
  let blockedCode: string | null = null;
  let blockedAt = 0;

  function close({ class: errorClass, code, reason }: GateRefusal, isProbe: boolean): void {
    // Uploads that were under way when the first one failed say nothing new.
    if (failures === 0) closedAt = performance.now();
    if (isProbe || failures === 0) {
      failures += 1;
      nextProbeAt = performance.now() + retryDelayMs(failures, backoff, random());
    }
    // A passing error in between does not say that the block is over; only a success does.
    if (errorClass !== 'blocked') return;
    if (blockedCode !== code) events.blocked(reason);
    if (blockedReason === null) blockedAt = performance.now();
    blockedCode = code;
    blockedReason = reason;
  }

  function open(): void {
    if (failures > 0) events.resumed();
    failures = 0;
    blockedReason = null;
    blockedCode = null;
  }

  const passFor = (isProbe: boolean): Pass => ({
    settle(result) {
      if (isProbe) probing = false;
      if (result === 'not tried') return;
      if (result === 'reached') open();
      else close(result, isProbe);
    },
  });

  return {
    async pass(signal, onNap) {
      while (!signal.aborted) {
        if (failures === 0) return passFor(false);
        const waitMs = nextProbeAt - performance.now();
        if (!probing && waitMs <= 0) {
          probing = true;
          return passFor(true);
        }
        onNap?.();
        await sleep(Math.min(napMs, Math.max(1, waitMs)), signal);
      }
      return null;
    },
    get closedForMs() {
      return failures === 0 ? 0 : performance.now() - closedAt;
    },
    get blockedReason() {
      return blockedReason;
    },
    get blockedForMs() {
      return blockedReason === null ? 0 : performance.now() - blockedAt;
    },
  };
}
