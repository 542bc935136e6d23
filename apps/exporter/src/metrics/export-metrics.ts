import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { ErrorClass } from '@auditbox/core/export/error-class.ts';
import { partitionEndMs } from '@auditbox/core/export/partition.ts';
import { Counter, Histogram, type Registry } from 'prom-client';
import type { ReconciledFields } from '../log.ts';

/** The steps from pending rows to a done delivery. */
const stages = ['seal', 'render', 'compress', 'upload', 'mark'] as const;
type Stage = (typeof stages)[number];

/** How an attempt ended. `interrupted` is by a shutdown. */
const outcomes = [
  'done',
  'destination error',
  'database error',
  'lease lost',
  'rejected',
  'not encoded',
  'interrupted',
] as const;
type AttemptOutcome = (typeof outcomes)[number];

/** Sizes of an exported object. `ndjsonBytes` is null when an earlier attempt encoded it. */
export interface ExportedSizes {
  readonly ndjsonBytes: number | null;
  readonly objectBytes: number;
}

/** What this process has exported, and how long it took. */
export interface ExportMetrics {
  took(stage: Stage, seconds: number): void;
  /** Runs a stage and records how long it took, even when it throws. */
  timed<T>(stage: Stage, work: () => Promise<T>): Promise<T>;
  exported(delivery: LeasedDelivery, sizes: ExportedSizes): void;
  attempted(outcome: AttemptOutcome): void;
  failed(errorClass: ErrorClass, code: string): void;
  reconciled(found: ReconciledFields): void;
}

/** After the end of a partition and the linger, sealing and uploading its last rows normally needs less time. */
const lateGraceMs = 60_000;

/** A store could invent codes, and each would be a time series for ever. */
const mostCodes = 50;

/** A small object needs milliseconds; an upload to a slow store lasts up to its deadline. */
const stageBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createExportMetrics(registry: Registry, { lingerMs }: { lingerMs: number }): ExportMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const rows = counter('auditbox_export_rows_total', 'Rows exported by this process.');
  const objects = counter('auditbox_export_objects_total', 'Objects exported by this process, one for each batch.');
  const ndjsonBytes = counter(
    'auditbox_export_ndjson_bytes_total',
    'Bytes of NDJSON exported by this process, before compression.',
  );
  const objectBytes = counter('auditbox_export_object_bytes_total', 'Bytes of the objects exported by this process.');
  const lateRows = counter(
    'auditbox_export_late_rows_total',
    "Rows exported into a partition that had ended more than EXPORT_LINGER_MS and a minute before the batch was leased, by the database's clock: late events, and events that a backlog delayed.",
  );
  const stageSeconds = new Histogram({
    name: 'auditbox_export_stage_seconds',
    help: 'Time of each stage of a batch: seal (only seals that made a batch), render (until Postgres has sent the last row), compress (what is left to compress then), upload (one PUT, failed or not), mark.',
    labelNames: ['stage'],
    buckets: stageBuckets,
    registers,
  });
  const observe = labelOnce(stages, (stage) => stageSeconds.labels(stage));
  const attempts = new Counter({
    name: 'auditbox_export_attempts_total',
    help: 'Attempts at batches, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const countAttempt = labelOnce(outcomes, (outcome) => attempts.labels(outcome));
  // Before the first attempt the rate is 0, not unknown.
  for (const outcome of outcomes) countAttempt[outcome].inc(0);
  const errors = new Counter({
    name: 'auditbox_destination_errors_total',
    help: "Errors of the destination, by class (transient, blocked, permanent) and the store's code or the network error's name.",
    labelNames: ['class', 'code'],
    registers,
  });
  const reconciledRows = new Counter({
    name: 'auditbox_reconciled_rows_total',
    help: 'Rows that the export would never have reached, by kind: lost (in no batch behind the frontier), restored (an event without an outbox row), conflicting (its id belongs to an event of another time; never exported).',
    labelNames: ['kind'],
    registers,
  });
  for (const kind of ['lost', 'restored', 'conflicting'] as const) reconciledRows.inc({ kind }, 0);
  const codes = new Set<string>();

  const took = (stage: Stage, seconds: number) => observe[stage].observe(seconds);
  return {
    took,
    async timed(stage, work) {
      const startedAt = performance.now();
      try {
        return await work();
      } finally {
        took(stage, (performance.now() - startedAt) / 1000);
      }
    },
    exported({ rowCount, partition, leasedAt }, sizes) {
      rows.inc(rowCount);
      objects.inc();
      ndjsonBytes.inc(sizes.ndjsonBytes ?? 0);
      objectBytes.inc(sizes.objectBytes);
      if (Date.parse(leasedAt) > partitionEndMs(partition) + lingerMs + lateGraceMs) lateRows.inc(rowCount);
    },
    attempted: (outcome) => countAttempt[outcome].inc(),
    failed(errorClass, code) {
      if (codes.size < mostCodes) codes.add(code);
      errors.inc({ class: errorClass, code: codes.has(code) ? code : 'other' });
    },
    reconciled(found) {
      for (const kind of ['lost', 'restored', 'conflicting'] as const) reconciledRows.inc({ kind }, found[kind]);
    },
  };
}

/** Each label's child, found once: `labels` costs more than counting does. */
function labelOnce<Name extends string, Child>(names: readonly Name[], child: (name: Name) => Child) {
  return Object.fromEntries(names.map((name) => [name, child(name)])) as Record<Name, Child>;
}
