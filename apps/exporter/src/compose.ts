import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import { createTurns } from '@auditbox/process/turns.ts';
import { startWatchdog } from '@auditbox/process/watchdog.ts';
import { createS3Access } from '@auditbox/s3/s3-access.ts';
import { createS3Client } from '@auditbox/s3/s3-client.ts';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { createDestinations } from './destinations/configured/create-destinations.ts';
import { createLane, type Lane } from './destinations/configured/lane.ts';
import { createGate } from './destinations/gate.ts';
import { probeForGate } from './destinations/probe.ts';
import { makeS3Bucket } from './destinations/s3/make-bucket.ts';
import { createS3Destination } from './destinations/s3/s3-destination.ts';
import { createS3Inspector } from './destinations/s3/s3-inspector.ts';
import { createS3LogStore } from './destinations/s3/s3-log-store.ts';
import { createAttempt } from './export/attempt.ts';
import { createLedger } from './export/ledger.ts';
import { createPace } from './export/pace.ts';
import { createSealLoop } from './export/seal-loop.ts';
import { createSendLoop } from './export/send-loop.ts';
import { createAttestor } from './log/attest.ts';
import { createLogKeeper } from './log/log-keeper.ts';
import { createExporterLog } from './log.ts';
import { createExportMetrics } from './metrics/export-metrics.ts';
import { createRequestMetrics } from './metrics/request-metrics.ts';
import type { ExporterSettings } from './settings.ts';

/** As the database knows it: the destination of every delivery that this process sends. */
const destinationName = archiveDestination;

const statementTimeoutMs = 30_000;

/** Makes all parts of an exporter. Each command uses those that it needs. */
export function composeExporter(settings: ExporterSettings, logger: Logger, tracing: Tracing | null) {
  const { seal, send, pollIntervalMs, compression, destinations } = settings;
  const log = createExporterLog(logger);
  const db = connectDatabase({
    url: settings.databaseUrl,
    schema: settings.databaseSchema,
    application: 'auditbox exporter',
    // One for each attempt, and one each for the sealer, the records of objects, the marks, the watchdog, and the log. Each
    // further destination also has one for its history.
    maxConnections:
      send.concurrency + 5 + destinations.served.reduce((sum, { concurrency }) => sum + concurrency + 1, 0),
    statementTimeoutMs,
    avoidSeqScans: true,
    guardsSchema: true,
    cell: settings.cell ?? undefined,
  });
  const watchdog = startWatchdog(
    { canary: () => db.sql`select 1`, answeredAt: () => db.answeredAt },
    { everyMs: 1_000, deadlineMs: statementTimeoutMs + 10_000, logger },
  );
  const access = createS3Access(createS3Client(settings.s3, send.concurrency), settings.s3);
  const destination = createS3Destination(access, settings.s3);
  const gate = createGate(send.backoff, log);
  const store = createS3LogStore(access, settings.s3);
  const attestor = settings.log && createAttestor({ db, destinationName, store, settings: settings.log, log });
  const logKeeper =
    settings.log && createLogKeeper({ db, destination, destinationName, store, settings: settings.log, attestor, log });
  const isSealHeld = () => logKeeper?.holdsSeal === true;
  const ledger = createLedger(db, destinationName, send);
  const registry = new Registry();
  if (settings.cell !== null) registry.setDefaultLabels({ cell: settings.cell });
  const metrics = createExportMetrics(registry, seal);
  const turns = createTurns(destinations.servesS3 ? ['seal', 'send'] : ['seal'], () => performance.now());
  const onProgress = () => turns.turned('send');
  const sendLoop = createSendLoop({
    ledger,
    attempt: createAttempt({
      ...{ db, destination, ledger, metrics, compression, log, tracing, onProgress },
      isLogged: logKeeper !== null,
    }),
    gate,
    pace: createPace(pollIntervalMs),
    log,
    concurrency: send.concurrency,
    takesNewest: false,
    isHeld: () => logKeeper?.holdsExport === true,
    onProgress,
    probe: (signal) => probeForGate({ db, destination, destinationName }, signal),
  });
  const lanes: Lane[] = [];
  const sealLoop = createSealLoop({
    db,
    limits: seal,
    pace: createPace(pollIntervalMs),
    metrics,
    log,
    onSealed() {
      sendLoop.wake();
      for (const lane of lanes) lane.wake();
    },
    isHeld: isSealHeld,
    onIteration: () => turns.turned('seal'),
  });
  return {
    settings,
    log,
    db,
    destinationName,
    destination,
    bucket: settings.s3.bucket,
    inspector: createS3Inspector(access, settings.s3),
    makeS3Bucket: (signal: AbortSignal) => makeS3Bucket(access, settings.s3, signal),
    gate,
    metrics,
    registry,
    turns,
    sealLoop,
    sendLoop,
    store,
    logKeeper,
    lanes,
    /** Makes the destinations other than S3. Throws a DestinationSetupError. */
    async openLanes() {
      const metricsOf = createRequestMetrics(registry);
      for (const [configured, made] of await createDestinations(destinations.served, { log, env: process.env })) {
        const parts = {
          db,
          cell: settings.cell,
          log,
          metrics: metricsOf(configured.name),
          ...send,
          pollIntervalMs,
          isHeld: isSealHeld,
        };
        lanes.push(createLane(configured, made, parts));
      }
    },
    async close() {
      watchdog.stop();
      destination.close();
      await Promise.all(lanes.map((lane) => lane.close()));
      await db.close(1_000);
    },
  };
}

/** Makes what reads the database and the bucket, and nothing that could change them. */
export function composeDoctor(settings: ExporterSettings) {
  const db = connectDatabase({
    url: settings.databaseUrl,
    schema: settings.databaseSchema,
    application: 'auditbox doctor',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
    onlyReads: 'any',
    // The doctor checks what the server sets for a session, so it must not set it.
    ownCommit: false,
  });
  const client = createS3Client(settings.s3, 0);
  return {
    settings,
    db,
    inspector: createS3Inspector(createS3Access(client, settings.s3), settings.s3),
    async close() {
      client.destroy();
      await db.close(1_000);
    },
  };
}

/** A month may have a hundred million events, and they are counted in one statement. */
const retentionTimeoutMs = 3_600_000;

/** Makes what removes months. It runs under its own login, and only reads the bucket. */
export function composeRetention(settings: ExporterSettings, logger: Logger) {
  const db = connectDatabase({
    url: settings.databaseUrl,
    schema: settings.databaseSchema,
    application: 'auditbox retention',
    maxConnections: 1,
    statementTimeoutMs: retentionTimeoutMs,
    guardsSchema: true,
    cell: settings.cell ?? undefined,
  });
  const access = createS3Access(createS3Client(settings.s3, settings.send.concurrency), settings.s3);
  const destination = createS3Destination(access, settings.s3);
  return {
    settings,
    db,
    destinationName,
    destination,
    log: createExporterLog(logger),
    async close() {
      destination.close();
      await db.close(1_000);
    },
  };
}
