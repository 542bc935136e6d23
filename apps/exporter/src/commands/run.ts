import { checkDatabase, explainUnready } from '@auditbox/db/database/check-database.ts';
import { serveHealth } from '@auditbox/process/health-server.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { createTurns } from '@auditbox/process/turns.ts';
import type { Exporter } from '../compose.ts';
import { probeDestination } from '../destinations/probe.ts';
import { runSealLoop } from '../export/seal-loop.ts';
import { runUploadLoop } from '../export/upload-loop.ts';
import { startHousekeeping } from '../housekeeping/schedule.ts';
import { createExporterScrape } from '../metrics/exporter-scrape.ts';

/** A turn may take a few deadlines of the database's, and two requests to the store; one that takes longer is stuck. */
const stuckAfterMs = 120_000;

/** Exports until told to stop. Resolves to the exit code. */
export async function run(exporter: Exporter, { taking, working }: Shutdown): Promise<number> {
  const { config, logger, db, sealLimits, sealPace, uploads } = exporter;
  const turns = createTurns(['seal', 'upload'], () => performance.now());
  const stuckMs = stuckAfterMs + 2 * config.S3_REQUEST_TIMEOUT_MS;
  let lowWater = '0';
  const scrape = createExporterScrape(exporter, () => lowWater);
  const health = await serveHealth(
    { alive: () => turns.all(stuckMs), ready: () => readiness(exporter), metrics: scrape },
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
  const { metrics } = uploads;
  const onTurn = (id: string | null) => {
    turns.turned('seal');
    lowWater = id ?? lowWater;
  };
  const onSealed = () => uploads.pace.wake();
  const onProgress = () => turns.turned('upload');
  await Promise.all([
    lookAround(exporter, taking),
    runSealLoop({ db, limits: sealLimits, pace: sealPace, logger, metrics, onSealed, onTurn }, taking),
    runUploadLoop({ ...uploads, onProgress }, taking, working),
  ]);
  health.close();
  await scrape.close();
  logger.info('The exporter has stopped.');
  return 0;
}

/** Says once what is odd about the schema and the bucket. Asks the database, so it waits for one that is down at start. */
async function lookAround(exporter: Exporter, taking: AbortSignal): Promise<void> {
  while (!taking.aborted) {
    try {
      const warning = await checkDatabase(exporter.db);
      if (warning !== null) exporter.logger.warn(warning);
      await probeDestination(exporter, taking);
      return;
    } catch (error) {
      exporter.logger.warn(`${explainUnready(error)} Trying again.`);
      await sleep(exporter.config.EXPORT_POLL_INTERVAL_MS, taking);
    }
  }
}

/** The destination is no part of it: a store that is down is not mended by routing around or restarting an exporter. */
async function readiness({ db }: Exporter): Promise<string | null> {
  try {
    return await checkDatabase(db);
  } catch (error) {
    throw new Error(explainUnready(error));
  }
}
