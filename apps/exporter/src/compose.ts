import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { leaseBatch } from '@auditbox/db/export/lease-batch.ts';
import type { SealLimits } from '@auditbox/db/export/seal-batches.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import { startWatchdog } from '@auditbox/process/watchdog.ts';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { Sink } from './destinations/destination.ts';
import type { Inspector } from './destinations/inspector.ts';
import { createS3Access } from './destinations/s3/s3-access.ts';
import { type BucketMaker, createBucketMaker } from './destinations/s3/s3-bucket-maker.ts';
import { createS3Client } from './destinations/s3/s3-client.ts';
import { createS3Sink } from './destinations/s3/s3-destination.ts';
import { createS3Inspector } from './destinations/s3/s3-inspector.ts';
import { createBatchLedger } from './export/batch-ledger.ts';
import { createGate, type Gate } from './export/destination-gate.ts';
import { createPollPace, type PollPace } from './export/poll-pace.ts';
import type { UploadLoop } from './export/upload-loop.ts';
import { createExportMetrics } from './metrics/export-metrics.ts';
import type { ExporterConfig } from './settings.ts';

/** All parts of an exporter, of which each command uses what it needs. */
export interface Exporter {
  readonly config: ExporterConfig;
  readonly logger: Logger;
  readonly db: Database;
  readonly sink: Sink;
  readonly inspector: Inspector;
  readonly bucketMaker: BucketMaker;
  readonly gate: Gate;
  readonly registry: Registry;
  readonly sealLimits: SealLimits;
  readonly sealPace: PollPace;
  readonly uploads: UploadLoop;
  close(): Promise<void>;
}

/** What a look at a system takes, and nothing that could change it. */
export interface Doctor {
  readonly config: ExporterConfig;
  /** Refuses to write, and leaves the settings of its sessions to the server. */
  readonly db: Database;
  readonly inspector: Inspector;
  close(): Promise<void>;
}

const statementTimeoutMs = 30_000;

/** Most batches of one seal: uploads of that many partitions are then under way or waiting. */
const maxBatchesPerSeal = 64;

const firstRetryMs = 500;

export function composeExporter(config: ExporterConfig, logger: Logger, tracing: Tracing | null): Exporter {
  const db = connectDatabase({
    url: config.DATABASE_URL,
    application: 'auditbox exporter',
    // One for each render, and for the sealer, the renders' and the marks' records, and the watchdog's canary.
    maxConnections: config.EXPORT_CONCURRENCY + 4,
    statementTimeoutMs,
    avoidSeqScans: true,
  });
  const access = createS3Access(createS3Client(config), config);
  const sink = createS3Sink(access, config);
  const backoff = { baseMs: firstRetryMs, capMs: config.EXPORT_RETRY_CAP_MS };
  const gate = createGate(backoff, {
    blocked: (reason) => logger.error({ reason }, 'Export is blocked; nothing is lost, it resumes by itself.'),
    resumed: () => logger.info('The destination takes objects again.'),
  });
  const registry = new Registry();
  const watchdog = startWatchdog(
    { canary: () => db.sql`select 1`, answeredAt: () => db.answeredAt },
    {
      everyMs: 1_000,
      deadlineMs: statementTimeoutMs + 10_000,
      logger,
    },
  );
  return {
    config,
    logger,
    db,
    sink,
    inspector: createS3Inspector(access, config),
    bucketMaker: createBucketMaker(access, config),
    gate,
    registry,
    sealLimits: {
      grain: config.EXPORT_PARTITION,
      maxRows: config.EXPORT_BATCH_MAX_ROWS,
      maxBytes: config.EXPORT_BATCH_MAX_BYTES,
      lingerMs: config.EXPORT_LINGER_MS,
      maxBatches: maxBatchesPerSeal,
    },
    sealPace: createPollPace(config.EXPORT_POLL_INTERVAL_MS),
    uploads: {
      db,
      ledger: createBatchLedger(db, config.EXPORT_LEASE_MS),
      sink,
      gate,
      backoff,
      logger,
      tracing,
      metrics: createExportMetrics(registry, { lingerMs: config.EXPORT_LINGER_MS }),
      prefix: config.S3_PREFIX,
      leaseMs: config.EXPORT_LEASE_MS,
      lease: () => leaseBatch(db, config.EXPORT_LEASE_MS),
      concurrency: config.EXPORT_CONCURRENCY,
      pace: createPollPace(config.EXPORT_POLL_INTERVAL_MS),
    },
    async close() {
      watchdog.stop();
      sink.close();
      await db.close(1_000);
    },
  };
}

export function composeDoctor(config: ExporterConfig): Doctor {
  const db = connectDatabase({
    url: config.DATABASE_URL,
    application: 'auditbox doctor',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    onlyReads: 'any',
    ownCommit: false,
  });
  const client = createS3Client(config);
  return {
    config,
    db,
    inspector: createS3Inspector(createS3Access(client, config), config),
    async close() {
      client.destroy();
      await db.close(1_000);
    },
  };
}
