import { checkDatabase, explainUnready } from '@auditbox/db/database/check-database.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { serveHealth } from '@auditbox/process/health-server.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Turns } from '@auditbox/process/turns.ts';
import type { Registry } from 'prom-client';
import type { Lane } from '../destinations/configured/lane.ts';
import { registerDestinations } from '../destinations/configured/register.ts';
import type { Destination } from '../destinations/destination.ts';
import { type Gate, sendThrough } from '../destinations/gate.ts';
import { probeDestination } from '../destinations/probe.ts';
import type { SealLoop } from '../export/seal-loop.ts';
import type { SendLoop } from '../export/send-loop.ts';
import { startMakingMonths } from '../housekeeping/make-months.ts';
import { reconcileForever } from '../housekeeping/reconcile.ts';
import type { LogKeeper } from '../log/log-keeper.ts';
import type { ExporterLog } from '../log.ts';
import type { ExportMetrics } from '../metrics/export-metrics.ts';
import { createExporterScrape } from '../metrics/scrape.ts';
import type { ExporterSettings } from '../settings.ts';
import { checkReadiness } from './check-readiness.ts';

interface RunParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly destination: Destination;
  readonly gate: Gate;
  readonly sealLoop: SealLoop;
  readonly sendLoop: SendLoop;
  readonly logKeeper: LogKeeper | null;
  /** Of the destinations other than S3. */
  readonly lanes: readonly Lane[];
  readonly turns: Turns<'seal' | 'send'>;
  readonly metrics: ExportMetrics;
  readonly registry: Registry;
  readonly log: ExporterLog;
}

/** An iteration can last a few deadlines of the database, and two requests to the store. After that it is stuck. */
const stuckAfterMs = 120_000;

/** Exports until told to stop. Resolves to the exit code. */
export async function run(parts: RunParts, { taking, working }: Shutdown): Promise<number> {
  const { settings, db, sealLoop, sendLoop, logKeeper, lanes, turns, log } = parts;
  const { host, port } = settings.health;
  const stuckMs = stuckAfterMs + 2 * settings.s3.requestTimeoutMs;
  const scrape = createExporterScrape({
    ...parts,
    databaseUrl: settings.databaseUrl,
    databaseSchema: settings.databaseSchema,
    retentionDays: settings.retention.days,
  });
  const health = await serveHealth(
    { alive: () => turns.all(stuckMs), ready: () => checkReadiness(db), metrics: scrape },
    host,
    port,
  );
  log.exporterRunning({ host, port: health.port });
  startMakingMonths({ db, log }, taking);
  const registered = Promise.withResolvers<void>();
  taking.addEventListener('abort', () => registered.resolve(), { once: true });
  await Promise.all([
    checkAtStart(parts, taking, registered.resolve),
    reconcileForever(parts, taking),
    logKeeper?.run(taking, { seals: true }),
    sealLoop.run(taking),
    settings.destinations.servesS3 ? sendLoop.run({ taking, working }) : null,
    ...lanes.map((lane) => registered.promise.then(() => lane.run({ taking, working }))),
  ]);
  health.close();
  await scrape.close();
  log.exporterStopped();
  return 0;
}

/** Logs once what is unusual about the schema and the bucket, and tells the gate. Waits for a database that is down at start. */
async function checkAtStart(
  { settings, db, destination, gate, log }: RunParts,
  taking: AbortSignal,
  registered: () => void,
): Promise<void> {
  while (!taking.aborted) {
    try {
      const warning = await checkDatabase(db);
      if (warning !== null) log.schemaDiffers(warning);
      await registerDestinations(settings.destinations, { db, log });
      registered();
      if (!settings.destinations.servesS3) return;
      const probe = () => probeDestination({ db, destination, bucket: settings.s3.bucket, log }, taking);
      await sendThrough(gate, taking, probe);
      return;
    } catch (error) {
      log.databaseNotReady(explainUnready(error));
      await sleep(settings.pollIntervalMs, taking);
    }
  }
}
