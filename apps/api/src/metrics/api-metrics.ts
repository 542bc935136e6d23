import type { EachOutcome } from '@auditbox/db/events/store-each.ts';
import type { WrittenEvent } from '@auditbox/db/events/write-events.ts';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { RejectReason } from '../http/problem.ts';
import { createRequestSeconds, type RequestSeconds } from './request-seconds.ts';

/** The counters and histograms of the api's work. */
export interface ApiMetrics {
  readonly requestSeconds: RequestSeconds;
  /** A flush of the coalescer has ended. `outcomes` is null when the statement failed. */
  flushed(events: number, seconds: number, outcomes: readonly EachOutcome[] | null): void;
  /** A batch is stored. */
  stored(events: readonly WrittenEvent[]): void;
  /** Secrets of an event were replaced, one of each kind given. */
  redacted(kinds: readonly string[]): void;
  /** A request to record events was rejected. */
  rejected(reason: RejectReason): void;
  /** A request came with the master key. */
  masterKeyUsed(): void;
}

const flushEvents = [1, 2, 5, 10, 20, 50, 100, 200, 500];
const flushSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createApiMetrics(registry: Registry): ApiMetrics {
  const registers = [registry];
  const accepted = new Counter({
    name: 'auditbox_events_accepted_total',
    help: 'Audit events that were acknowledged: created by the request, or stored before with the same content.',
    labelNames: ['outcome'],
    registers,
  });
  const created = accepted.labels('created');
  const existing = accepted.labels('existing');
  for (const outcome of [created, existing]) outcome.inc(0);
  const rejected = new Counter({
    name: 'auditbox_event_writes_rejected_total',
    help: 'Rejected requests to record events, by reason. A batch counts once, because it is rejected as a whole.',
    labelNames: ['reason'],
    registers,
  });
  const redacted = new Counter({
    name: 'auditbox_redacted_values_total',
    help: 'Secrets that were replaced in events before they were stored, by kind.',
    labelNames: ['kind'],
    registers,
  });
  const masterKeyRequests = new Counter({
    name: 'auditbox_master_key_requests_total',
    help: 'Requests with the master key. It has every right, and the record does not say who used it.',
    registers,
  });
  const events = new Histogram({
    name: 'auditbox_coalescer_flush_events',
    help: 'Single events of concurrent requests that shared one statement.',
    buckets: flushEvents,
    registers,
  });
  const seconds = new Histogram({
    name: 'auditbox_coalescer_flush_seconds',
    help: 'Time of a statement that stores single events, until it succeeded or failed.',
    buckets: flushSeconds,
    registers,
  });
  return {
    masterKeyUsed: () => masterKeyRequests.inc(),
    requestSeconds: createRequestSeconds(registry),
    flushed(count, took, outcomes) {
      events.observe(count);
      seconds.observe(took);
      if (outcomes === null) return;
      let createdNow = 0;
      let existingBefore = 0;
      for (const outcome of outcomes) {
        if (!outcome.stored) continue;
        if (outcome.event.outcome === 'created') createdNow += 1;
        else existingBefore += 1;
      }
      created.inc(createdNow);
      existing.inc(existingBefore);
    },
    stored(written) {
      const createdNow = written.filter(({ outcome }) => outcome === 'created').length;
      created.inc(createdNow);
      existing.inc(written.length - createdNow);
    },
    redacted(kinds) {
      for (const kind of kinds) redacted.inc({ kind });
    },
    rejected: (reason) => rejected.inc({ reason }),
  };
}
