import { setTimeout as delay } from 'node:timers/promises';
import { Gauge, type Registry } from 'prom-client';

/** Gauges, not registered yet, whose values one question to the database yields. `ask` sets them; when it throws they are absent. */
export interface Question {
  readonly gauges: readonly Gauge[];
  ask(): Promise<void>;
}

export interface DatabaseGaugesOptions {
  /** In this order. When the first is not answered, the database counts as down and the others are not asked. */
  readonly questions: readonly [Question, ...Question[]];
  readonly onFault: (error: unknown) => void;
  /** Answers are this good for the next scrape. */
  readonly cacheMs?: number;
  /** A scrape waits no longer than this. */
  readonly deadlineMs?: number;
}

/**
 * Asks the database when Prometheus asks us, at most every few seconds, and never lets a scrape fail or wait for it: what
 * is not answered is absent, so that an old value is never taken for a new one, and auditbox_database_up is 0.
 */
export function createDatabaseGauges(
  registry: Registry,
  { questions, onFault, cacheMs = 5_000, deadlineMs = 4_000 }: DatabaseGaugesOptions,
): { refresh(): Promise<void> } {
  const up = new Gauge({
    name: 'auditbox_database_up',
    help: 'Whether the database answered this process when Prometheus asked, within 4 seconds. When 0, gauges that come from it are absent.',
    registers: [registry],
  });
  for (const { gauges } of questions) {
    for (const gauge of gauges) registry.registerMetric(gauge);
    forget(gauges);
  }
  let askedAt = Number.NEGATIVE_INFINITY;
  let underWay: Promise<void> | null = null;

  async function askAll(): Promise<void> {
    const [first, ...others] = questions;
    const isUp = await answered(first);
    up.set(isUp ? 1 : 0);
    for (const question of others) {
      if (isUp) await answered(question);
      else forget(question.gauges);
    }
    askedAt = performance.now();
  }

  async function answered({ ask, gauges }: Question): Promise<boolean> {
    try {
      await ask();
      return true;
    } catch (error) {
      forget(gauges);
      onFault(error);
      return false;
    }
  }

  return {
    async refresh() {
      if (performance.now() - askedAt < cacheMs) return;
      underWay ??= askAll().finally(() => {
        underWay = null;
      });
      const isInTime = await Promise.race([underWay.then(() => true), delay(deadlineMs, false, { ref: false })]);
      if (isInTime) return;
      up.set(0);
      for (const { gauges } of questions) forget(gauges);
    },
  };
}

function forget(gauges: readonly Gauge[]): void {
  for (const gauge of gauges) {
    gauge.reset();
    // One without labels is at 0 then, not absent.
    gauge.remove({});
  }
}
