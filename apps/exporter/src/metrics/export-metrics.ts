import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { ErrorClass } from '@auditbox/core/export/error-class.ts';
import { partitionEndMs } from '@auditbox/core/export/partition.ts';
import { Counter, Histogram, type Registry } from 'prom-client';

/** The steps from pending rows to a done batch. */
const stages = ['seal', 'render', 'compress', 'upload', 'mark'] as const;
type Stage = (typeof stages)[number];

/** How an attempt ended; `broken off` is at shutdown, `fault` one of the database's on the way. */
const outcomes = ['done', 'refused', 'lease lost', 'quarantined', 'not rendered', 'broken off', 'fault'] as const;
type AttemptOutcome = (typeof outcomes)[number];

/** What was exported with a batch. `bytes` is null where the object is of a render that another attempt made. */
export interface ExportedSizes {
  readonly bytes: number | null;
  readonly objectBytes: number;
}

/** What an exporter counts of its own work. */
export interface ExportMetrics {
  took(stage: Stage, seconds: number): void;
  /** Runs a stage and notes how long it took, however it ends. */
  timed<T>(stage: Stage, work: () => Promise<T>): Promise<T>;
  exported(batch: LeasedBatch, sizes: ExportedSizes): void;
  attempted(outcome: AttemptOutcome): void;
  refused(errorClass: ErrorClass, code: string): void;
}

/** After the end of a partition and the linger, what sealing and uploading its last rows may take on a good day. */
const lateGraceMs = 60_000;

/** A store could make up codes; each would be a series for ever. */
const mostCodes = 50;

/** Small objects take milliseconds; a slow store up to its deadline. */
const stageBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Counts in `registry` from now on. */
export function createExportMetrics(registry: Registry, { lingerMs }: { lingerMs: number }): ExportMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, registers });
  const rows = counter('auditbox_export_rows_total', 'Rows exported by this process.');
  const objects = counter(
    'auditbox_export_objects_total',
    'Objects, which is to say batches, exported by this process.',
  );
  const bytes = counter('auditbox_export_bytes_total', 'Bytes of NDJSON exported by this process, before compression.');
  const objectBytes = counter('auditbox_export_object_bytes_total', 'Bytes of the objects exported by this process.');
  const lateRows = counter(
    'auditbox_export_late_rows_total',
    "Rows exported into a partition that had ended more than EXPORT_LINGER_MS and a minute before the lease was taken, by the database's clock: late events, and all that a backlog delays.",
  );
  const stageSeconds = new Histogram({
    name: 'auditbox_export_stage_seconds',
    help: 'Time of each stage of a batch: seal (looks that sealed some), render (waiting for Postgres), compress, upload (one PUT, whatever came of it), mark.',
    labelNames: ['stage'],
    buckets: stageBuckets,
    registers,
  });
  const observe = childrenOf(stages, (stage) => stageSeconds.labels(stage));
  const attempts = new Counter({
    name: 'auditbox_export_attempts_total',
    help: 'Attempts at batches by how they ended.',
    labelNames: ['outcome'],
    registers,
  });
  const countAttempt = childrenOf(outcomes, (outcome) => attempts.labels(outcome));
  // A rate of what has not happened yet is 0, not unknown.
  for (const outcome of outcomes) countAttempt[outcome].inc(0);
  const refusals = new Counter({
    name: 'auditbox_export_refusals_total',
    help: "Attempts that the store refused, by class (transient, blocked, permanent) and the store's code or the fault's name.",
    labelNames: ['class', 'code'],
    registers,
  });
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
      bytes.inc(sizes.bytes ?? 0);
      objectBytes.inc(sizes.objectBytes);
      if (Date.parse(leasedAt) > partitionEndMs(partition) + lingerMs + lateGraceMs) lateRows.inc(rowCount);
    },
    attempted: (outcome) => countAttempt[outcome].inc(),
    refused(errorClass, code) {
      if (codes.size < mostCodes) codes.add(code);
      refusals.inc({ class: errorClass, code: codes.has(code) ? code : 'other' });
    },
  };
}

/** Children looked up once: `labels` costs more than what it counts. */
function childrenOf<Name extends string, Child>(names: readonly Name[], child: (name: Name) => Child) {
  return Object.fromEntries(names.map((name) => [name, child(name)])) as Record<Name, Child>;
}
