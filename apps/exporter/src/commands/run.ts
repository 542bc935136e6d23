import { checkDatabase } from '@auditbox/db/check-database.ts';
import { databaseFault, describeFault } from '@auditbox/db/database-error.ts';
import { serveHealth } from '@auditbox/process/health-server.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Exporter } from '../compose.ts';
import { startHousekeeping } from '../housekeeping.ts';
import { logDatabaseFault } from '../log-database-fault.ts';
import { createMetrics } from '../metrics.ts';
import { probeDestination } from '../probe-destination.ts';
import { runSealLoop } from '../seal-loop.ts';
import { runUploadLoop } from '../upload-loop.ts';

/** A seal that waits this long for the database is not stuck yet; one that turns later is. */
const stuckAfterMs = 120_000;

/** Exports until told to stop. Resolves to the exit code. */
export async function run(exporter: Exporter, { taking, working }: Shutdown): Promise<number> {
  const { config, logger, db, sealLimits, sealPace, uploads } = exporter;
  const metrics = createMetrics(exporter.gate);
  let turnedAt = performance.now();
  const health = await serveHealth(
    {
      alive: () => performance.now() - turnedAt < stuckAfterMs,
      ready: () => readiness(exporter),
      metrics: async () => ({ type: metrics.contentType, text: await metrics.metrics() }),
    },
    config.HOST,
    config.METRICS_PORT,
  );
  logger.info({ host: config.HOST, port: health.port }, 'The exporter runs.');
  startHousekeeping(
    {
      db,
      outboxRetentionDays: config.OUTBOX_RETENTION_DAYS,
      auditRetentionDays: config.AUDIT_RETENTION_DAYS,
      logger,
    },
    taking,
  );
  const onTurn = () => {
    turnedAt = performance.now();
  };
  const onSealed = () => uploads.pace.wake();
  await Promise.all([
    probeOnceThere(exporter, taking),
    runSealLoop({ db, limits: sealLimits, pace: sealPace, logger, onSealed, onTurn }, taking),
    runUploadLoop(uploads, taking, working),
  ]);
  health.close();
  logger.info('The exporter has stopped.');
  return 0;
}

/** The probe takes the database's time, so it waits for a database that is down at start. */
async function probeOnceThere(exporter: Exporter, taking: AbortSignal): Promise<void> {
  while (!taking.aborted) {
    try {
      await probeDestination(exporter, taking);
      return;
    } catch (error) {
      logDatabaseFault(exporter.logger, error);
      await sleep(exporter.config.EXPORT_POLL_INTERVAL_MS, taking);
    }
  }
}

/** The destination is no part of it: a store that is down is not mended by routing around or restarting an exporter. */
async function readiness({ db }: Exporter): Promise<void> {
  await checkDatabase(db).catch((error: unknown) => {
    const fault = databaseFault(error);
    throw fault ? new Error(describeFault(fault)) : error;
  });
}
