import { type Backoff, retryDelayMs } from '@auditbox/core/export/retry-delay.ts';
import { createReminder } from '@auditbox/process/reminder.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { ExporterLog } from '../log.ts';

/**
 * Whether uploads may be tried, for all uploads of this process.
 *
 *   open ── transient or blocked error ──▶ closed: one batch at a time probes, after a growing wait
 *   closed ── the destination accepts anything, or rejects one object alone ──▶ open
 *
 * Without it every sealed batch would be tried against a store that is down.
 */
export interface Gate {
  /** Waits until an upload may be tried, and calls `onNap` now and then. Null when `signal` was aborted first. */
  enter(signal: AbortSignal, onNap?: () => void): Promise<Permit | null>;
  /** Why the destination refuses everything, or null. */
  readonly blockedReason: string | null;
  /** How long it has refused everything, or 0. */
  readonly blockedForMs: number;
  /** How long nothing has been accepted, or 0. */
  readonly closedForMs: number;
}

/** The right to try one upload, or one delivery of several requests. `report` must be called at least once. */
interface Permit {
  report(result: SendResult): void;
}

/** `reached`: the destination accepted the object, or rejected this object alone. `not tried`: no upload was sent. */
export type SendResult = 'reached' | 'not tried' | SendError;

/** `code` tells one cause from another; `reason` may name the object. */
export interface SendError {
  readonly class: 'transient' | 'blocked';
  readonly code: string;
  readonly reason: string;
  /** How long the destination asked to be left alone. */
  readonly afterMs?: number;
}

/**
 * Sends when the gate lets it. What throws was not tried: a permit that nobody reports would close the gate for ever. Null when
 * `signal` was aborted first.
 */
export async function sendThrough(
  gate: Gate,
  signal: AbortSignal,
  send: () => Promise<SendResult>,
): Promise<SendResult | null> {
  const permit = await gate.enter(signal);
  if (permit === null) return null;
  let result: SendResult = 'not tried';
  try {
    result = await send();
  } finally {
    permit.report(result);
  }
  return result;
}

/** Whether the destination refuses everything until a person repairs something. */
export function isBlocked(result: SendResult): boolean {
  return typeof result === 'object' && result.class === 'blocked';
}

/** Longest nap while waiting at a closed gate. A probe that ends early is noticed this late. */
const napMs = 100;

export function createGate(
  backoff: Backoff,
  log: Pick<ExporterLog, 'exportBlocked' | 'exportResumed'>,
  random: () => number = Math.random,
): Gate {
  let failures = 0;
  let probing = false;
  let nextProbeAt = 0;
  let closedAt = 0;
  let blockedReason: string | null = null;
  let blockedAt = 0;
  const reminder = createReminder();

  function close({ class: errorClass, code, reason, afterMs = 0 }: SendError, isProbe: boolean): void {
    if (failures === 0) closedAt = performance.now();
    // Uploads that were in flight at the first failure add no information, so they do not lengthen the wait.
    if (isProbe || failures === 0) {
      failures += 1;
      nextProbeAt = performance.now() + Math.max(afterMs, retryDelayMs(failures, backoff, random()));
    }
    // A transient error in between does not show that the block is over. Only a success does.
    if (errorClass !== 'blocked') return;
    if (reminder.isDue(code)) log.exportBlocked(reason);
    if (blockedReason === null) blockedAt = performance.now();
    blockedReason = reason;
  }

  function open(): void {
    if (failures > 0) log.exportResumed();
    failures = 0;
    blockedReason = null;
    reminder.end();
  }

  const permit = (isProbe: boolean): Permit => ({
    report(result) {
      if (isProbe) probing = false;
      if (result === 'not tried') return;
      if (result === 'reached') open();
      else close(result, isProbe);
    },
  });

  return {
    async enter(signal, onNap) {
      while (!signal.aborted) {
        if (failures === 0) return permit(false);
        const waitMs = nextProbeAt - performance.now();
        if (!probing && waitMs <= 0) {
          probing = true;
          return permit(true);
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
