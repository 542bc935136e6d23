import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { createLogger } from '@auditbox/process/logger.ts';
import { leaveWith, runMain } from '@auditbox/process/run-main.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { listenForShutdown, type Shutdown } from '@auditbox/process/shutdown.ts';
import { startTracing } from '@auditbox/process/tracing.ts';
import { type DoctorCommand, type ExporterCommand, parseCommand } from './cli.ts';
import { check } from './commands/check.ts';
import { drain } from './commands/drain.ts';
import { makeBucket } from './commands/make-bucket.ts';
import { replay } from './commands/replay.ts';
import { run } from './commands/run.ts';
import { composeDoctor, composeExporter, type Exporter } from './compose.ts';
import { type ExporterConfig, exporterRelations, exporterSettings } from './settings.ts';

/** Below the ten seconds that Docker waits before it kills. */
const stopGraceMs = 8_000;

const command = parseCommand(process.argv.slice(2));
const config = readConfig();
/** A command's result has the standard output for itself. */
const logger = createLogger('exporter', config.LOG_LEVEL, command.kind === 'run' ? 'stdout' : 'stderr');

runMain(logger, async () => {
  if (command.kind === 'doctor') return examine(command);
  const tracing = await startTracing('auditbox-exporter', config.OTEL_EXPORTER_OTLP_ENDPOINT, (fault) =>
    logger.warn({ fault }, 'Traces are not taken.'),
  );
  const exporter = composeExporter(config, logger, tracing);
  const shutdown = listenForShutdown(logger, stopGraceMs);
  process.exitCode = await execute(command, exporter, shutdown);
  await exporter.close();
  // A look-up of credentials that nobody answers, for one, must not keep the process from ending.
  process.exit();
});

async function examine(asked: DoctorCommand): Promise<void> {
  const composed = composeDoctor(config);
  const shutdown = listenForShutdown(logger, stopGraceMs);
  // It loads drizzle, which nothing else here takes.
  const { doctor } = await import('./commands/doctor.ts');
  process.exitCode = await doctor(composed, asked, shutdown.taking);
  await composed.close();
  process.exit();
}

async function execute(
  asked: Exclude<ExporterCommand, DoctorCommand>,
  exporter: Exporter,
  shutdown: Shutdown,
): Promise<number> {
  if (asked.kind === 'run') return run(exporter, shutdown);
  try {
    if (asked.kind === 'make-bucket') return await makeBucket(exporter, shutdown.taking);
    if (asked.kind === 'check') return await check(exporter, asked, shutdown.taking);
    return asked.kind === 'drain' ? await drain(exporter, shutdown) : await replay(exporter, asked, shutdown);
  } catch (error) {
    const fault = toDatabaseError(error);
    if (fault === null) throw error;
    logger.error(fault.sentence);
    return 1;
  }
}

function readConfig(): ExporterConfig {
  try {
    return readSettings(exporterSettings, process.env, exporterRelations);
  } catch (error) {
    leaveWith(error);
  }
}
