import type { Database } from '@auditbox/db/database/connect.ts';
import { serveHealth } from '@auditbox/process/health-server.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import type { Registry } from 'prom-client';
import type { Gate } from '../destinations/gate.ts';
import type { LogKeeper } from '../log/log-keeper.ts';
import type { ExporterLog } from '../log.ts';
import { createExporterScrape } from '../metrics/scrape.ts';
import type { ExporterSettings } from '../settings.ts';
import { checkReadiness } from './check-readiness.ts';

interface RunLogParts {
  readonly settings: ExporterSettings;
  readonly db: Database;
  readonly gate: Gate;
  readonly logKeeper: LogKeeper | null;
  readonly registry: Registry;
  readonly log: ExporterLog;
}

/** `npm run log`: numbers, signs and publishes the log, and exports nothing. Resolves to the exit code. */
export async function runLog(parts: RunLogParts, { taking }: Shutdown): Promise<number> {
  const { settings, db, logKeeper, log } = parts;
  if (logKeeper === null || settings.log?.signer === null) {
    process.stderr.write('This process signs the log: it needs EXPORT_LOG_ORIGIN and EXPORT_LOG_KEY_FILE.\n');
    return 1;
  }
  const { host, port } = settings.health;
  const { databaseUrl, databaseSchema } = settings;
  const scrape = createExporterScrape({ ...parts, lanes: [], databaseUrl, databaseSchema, retentionDays: null });
  const health = await serveHealth({ alive: () => true, ready: () => checkReadiness(db), metrics: scrape }, host, port);
  log.exporterRunning({ host, port: health.port });
  await logKeeper.run(taking, { seals: false });
  health.close();
  await scrape.close();
  log.exporterStopped();
  return 0;
}
