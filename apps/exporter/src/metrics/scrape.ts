import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { createDatabaseGauges } from '@auditbox/process/metrics/database-gauges.ts';
import { addDatabaseUse } from '@auditbox/process/metrics/database-use.ts';
import { addProcessMetrics } from '@auditbox/process/metrics/process-metrics.ts';
import { createScrape, type Scrape } from '@auditbox/process/metrics/scrape.ts';
import { Gauge, type Registry } from 'prom-client';
import type { Gate } from '../destinations/gate.ts';
import type { LogKeeper } from '../log/log-keeper.ts';
import type { ExporterLog } from '../log.ts';
import { measureBacklog } from './backlog.ts';
import { measureClockSkew, measureHorizon, measureRetention } from './database-gauges.ts';
import { measureLog } from './log-gauges.ts';

/** Scrapes do not wait for the statements of exports, and exports do not wait for theirs. */
const statementTimeoutMs = 2_000;

/** All metrics of a running exporter. They have their own database connection, which opens at the first scrape. */
export function createExporterScrape({
  databaseUrl,
  databaseSchema,
  retentionDays,
  db,
  gate,
  lanes,
  logKeeper,
  registry,
  log,
}: {
  readonly databaseUrl: string;
  readonly databaseSchema: string;
  /** Null keeps all months. */
  readonly retentionDays: number | null;
  readonly db: Database;
  /** Of S3. */
  readonly gate: Gate;
  /** Of the other destinations. */
  readonly lanes: readonly { readonly name: string; readonly gate: Gate }[];
  /** Null without a log. */
  readonly logKeeper: LogKeeper | null;
  readonly registry: Registry;
  readonly log: ExporterLog;
}): Scrape & { close(): Promise<void> } {
  const ownDb = connectDatabase({
    url: databaseUrl,
    schema: databaseSchema,
    application: 'auditbox exporter metrics',
    maxConnections: 1,
    statementTimeoutMs,
    avoidSeqScans: true,
  });
  addProcessMetrics(registry);
  addDatabaseUse(registry, db);
  addGateGauges(registry, [{ name: 's3', gate }, ...lanes]);
  if (logKeeper !== null) addLogGauge(registry, logKeeper);
  const gauges = createDatabaseGauges(registry, {
    questions: [
      measureClockSkew(ownDb),
      measureBacklog(ownDb),
      measureLog(ownDb),
      measureHorizon(ownDb),
      measureRetention(ownDb, retentionDays),
    ],
    // The loops log the same error, at a level that people read.
    onFault: log.metricsQueryFailed,
  });
  return { ...createScrape(registry, gauges.refresh), close: () => ownDb.close(1_000) };
}

/** Read at each scrape, so that nothing is kept up to date in between. */
function addGateGauges(registry: Registry, gates: readonly { readonly name: string; readonly gate: Gate }[]): void {
  const addGauge = (name: string, help: string, read: (gate: Gate) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['destination'],
      registers: [registry],
      collect() {
        for (const { name: destination, gate } of gates) this.set({ destination }, read(gate));
      },
    });
  addGauge(
    'auditbox_destination_blocked',
    '1 while the destination refuses everything until a person fixes it (credentials, bucket, KMS key), else 0.',
    (gate) => (gate.blockedReason === null ? 0 : 1),
  );
  addGauge(
    'auditbox_destination_blocked_seconds',
    'How long the destination has been blocked; 0 while it is not.',
    (gate) => gate.blockedForMs / 1000,
  );
  addGauge(
    'auditbox_destination_closed_seconds',
    'How long the destination has accepted nothing, for any reason; 0 while it accepts objects.',
    (gate) => gate.closedForMs / 1000,
  );
}

function addLogGauge(registry: Registry, keeper: LogKeeper): void {
  new Gauge({
    name: 'auditbox_log_blocked',
    help: '1 while the log of batches is blocked until a person looks, for any reason. Else 0.',
    registers: [registry],
    collect() {
      this.set(keeper.blockedReason === null ? 0 : 1);
    },
  });
  new Gauge({
    name: 'auditbox_log_forked',
    help: '1 while the log of batches is blocked because the bucket holds another log than the database. Else 0.',
    registers: [registry],
    collect() {
      this.set(keeper.isForked ? 1 : 0);
    },
  });
  new Gauge({
    name: 'auditbox_log_attested_batches',
    help: 'Batches in the newest checkpoint that each witness cosigned, or the time-stamping authority stamped, as this process saw it.',
    labelNames: ['by'],
    registers: [registry],
    collect() {
      for (const [by, size] of keeper.attested) this.set({ by }, size);
    },
  });
}
