import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

/** No answer may take longer, also on a slow and busy machine. */
const longestMs = 10_000;
/** Answers that take longer are counted. On a quiet machine none does. */
const slowMs = 1_000;
/** The memory of the second half of the requests, compared with that of the first half. */
const maxGrowthBytes = 100 * 1024 * 1024;

/** Watches how long answers take, and whether the memory of processes is flat. */
export function watchAnswers(...pids: number[]) {
  let slowestMs = 0;
  let slow = 0;
  const grownBytes = new Map<number, number>();

  /** 0 on a system without /proc. */
  const residentBytes = () => pids.reduce((sum, pid) => sum + readResidentBytes(pid), 0);

  function readResidentBytes(pid: number): number {
    try {
      return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  return {
    /** Fails when the answer takes too long. */
    async time<T>(answer: Promise<T>): Promise<T> {
      const startedAt = performance.now();
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => late.reject(new Error(`There is no answer after ${longestMs} ms.`)), longestMs);
      try {
        return await Promise.race([answer, late.promise]);
      } finally {
        clearTimeout(timer);
        const tookMs = performance.now() - startedAt;
        slowestMs = Math.max(slowestMs, tookMs);
        if (tookMs > slowMs) slow += 1;
      }
    },
    /** Sends a half of the requests, and then the other half. */
    async inHalves(half: () => Promise<void>): Promise<void> {
      await half();
      const before = pids.map(readResidentBytes);
      await half();
      for (const [n, pid] of pids.entries())
        grownBytes.set(pid, (grownBytes.get(pid) ?? 0) + readResidentBytes(pid) - (before[n] ?? 0));
    },
    /** Of all halves so far. */
    expectFlatMemory: () => expect(Math.max(...grownBytes.values())).toBeLessThan(maxGrowthBytes),
    residentBytes,
    slowest: () => `The slowest answer took ${slowestMs.toFixed(0)} ms; ${slow} took more than ${slowMs} ms.`,
  };
}

export type AnswerWatch = ReturnType<typeof watchAnswers>;
