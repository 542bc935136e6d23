import type { Outcome } from '@auditbox/destination-kit/destination.ts';
import { Counter, Histogram, type Registry } from 'prom-client';

/** What one destination was sent by this process. */
export interface RequestMetrics {
  requested(outcome: Outcome['kind'], rows: number, seconds: number): void;
  failed(errorClass: 'transient' | 'blocked', code: string): void;
}

/** A receiver could invent codes, and each would be a time series for ever. */
const mostCodes = 50;

const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Metrics of all destinations that take requests. Call the result once for each. */
export function createRequestMetrics(registry: Registry): (destination: string) => RequestMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'auditbox_requests_total',
    help: 'Requests to destinations, by destination and outcome: taken, taken-but (without some rows), refused, retry, blocked, too-large.',
    labelNames: ['destination', 'outcome'],
    registers,
  });
  const rows = new Counter({
    name: 'auditbox_request_rows_total',
    help: 'Rows of the requests that destinations have taken, by destination.',
    labelNames: ['destination'],
    registers,
  });
  const seconds = new Histogram({
    name: 'auditbox_request_seconds',
    help: 'Time of a request, by destination, whatever its outcome.',
    labelNames: ['destination'],
    buckets,
    registers,
  });
  const errors = new Counter({
    name: 'auditbox_request_errors_total',
    help: 'Attempts at deliveries that ended with an error of the destination, by destination, class (transient, blocked) and code.',
    labelNames: ['destination', 'class', 'code'],
    registers,
  });
  return (destination) => {
    const codes = new Set<string>();
    const timer = seconds.labels(destination);
    rows.inc({ destination }, 0);
    return {
      requested(outcome, sent, took) {
        requests.inc({ destination, outcome });
        timer.observe(took);
        if (outcome === 'taken' || outcome === 'taken-but') rows.inc({ destination }, sent);
      },
      failed(errorClass, code) {
        if (codes.size < mostCodes) codes.add(code);
        errors.inc({ destination, class: errorClass, code: codes.has(code) ? code : 'other' });
      },
    };
  };
}
