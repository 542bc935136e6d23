import { within } from '@auditbox/core/within.ts';
import { Gauge, type Registry } from 'prom-client';

/** Gauges that one query to the database sets. They are not registered yet. When `ask` throws, they are absent. */
export interface Question {
  readonly gauges: readonly Gauge[];
  ask(): Promise<void>;
}

export interface DatabaseGaugesOptions {
  /** Asked in this order. When the first fails, the database counts as down and the others are not asked. */
  readonly questions: readonly [Question, ...Question[]];
  readonly onFault: (error: unknown) => void;
  /** A scrape reuses values that are not older than this. */
  readonly cacheMs?: number;
  /** The longest wait of a scrape. */
  readonly deadlineMs?: number;
}

/**
 * Reads gauges from the database when Prometheus scrapes the process, but at most once in `cacheMs`. A database that is
 * slow or down does not fail a scrape, and delays it by at most `deadlineMs`. Its gauges are then absent, so that
 * nobody takes an old value for a new one, and auditbox_database_up is 0.
 */
export function createDatabaseGauges(
  registry: Registry,
  { questions, onFault, cacheMs = 5_000, deadlineMs = 4_000 }: DatabaseGaugesOptions,
): { refresh(): Promise<void> } {
  const up = new Gauge({
    name: 'auditbox_database_up',
    help: '1 if the database answered this process within 4 seconds at this scrape. At 0 the gauges read from the database are absent.',
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
      await within(deadlineMs, underWay, () => {
        up.set(0);
        for (const { gauges } of questions) forget(gauges);
      });
    },
  };
}

function forget(gauges: readonly Gauge[]): void {
  for (const gauge of gauges) {
    gauge.reset();
    // Without this a gauge without labels would be 0, not absent.
    gauge.remove({});
  }
}
