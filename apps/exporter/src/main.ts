import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { createLogger } from '@auditbox/process/logger.ts';
import { leaveWith, runMain } from '@auditbox/process/run-main.ts';
import { listenForShutdown, type Shutdown } from '@auditbox/process/shutdown.ts';
import { startTracing } from '@auditbox/process/tracing.ts';
import { type DoctorCommand, type ExporterCommand, parseCommand } from './cli.ts';
import { check } from './commands/check.ts';
import { drain } from './commands/drain.ts';
import { makeBucket } from './commands/make-bucket.ts';
import { replay } from './commands/replay.ts';
import { run } from './commands/run.ts';
import { composeDoctor, composeExporter } from './compose.ts';
import { createExporterLog } from './log.ts';
import { type ExporterSettings, readExporterSettings } from './settings.ts';

/** Less than the ten seconds after which Docker kills a container. */
const stopGraceMs = 8_000;

const command = parseCommand(process.argv.slice(2));
const settings = readSettingsOrExit();
/** The standard output of a command is its result. */
const logger = createLogger('exporter', settings.logLevel, command.kind === 'run' ? 'stdout' : 'stderr');
const log = createExporterLog(logger);

runMain(logger, async () => {
  process.exitCode = command.kind === 'doctor' ? await examine(command) : await start(command);
  // A search for credentials that is never answered, for one, must not keep the process running.
  process.exit();
});

async function start(given: Exclude<ExporterCommand, DoctorCommand>): Promise<number> {
  const tracing = await startTracing('auditbox-exporter', settings.tracesEndpoint ?? undefined, log.tracesNotSent);
  const exporter = composeExporter(settings, logger, tracing);
  const exitCode = await execute(given, exporter, listenForShutdown(logger, stopGraceMs));
  await exporter.close();
  return exitCode;
}

async function execute(
  given: Exclude<ExporterCommand, DoctorCommand>,
  exporter: ReturnType<typeof composeExporter>,
  shutdown: Shutdown,
): Promise<number> {
  if (given.kind === 'run') return run(exporter, shutdown);
  try {
    if (given.kind === 'make-bucket') return await makeBucket(exporter, shutdown.taking);
    if (given.kind === 'check') return await check(exporter, given, shutdown.taking);
    return given.kind === 'drain' ? await drain(exporter, shutdown) : await replay(exporter, given, shutdown);
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    log.commandFailed(error);
    return 1;
  }
}

async function examine(given: DoctorCommand): Promise<number> {
  const composed = composeDoctor(settings);
  const shutdown = listenForShutdown(logger, stopGraceMs);
  // Loaded here because it loads drizzle, which no other command needs.
  const { doctor } = await import('./commands/doctor.ts');
  const exitCode = await doctor(composed, given, shutdown.taking);
  await composed.close();
  return exitCode;
}

function readSettingsOrExit(): ExporterSettings {
  try {
    return readExporterSettings(process.env);
  } catch (error) {
    leaveWith(error);
  }
}
