import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { type Context, start } from '@auditbox/process/start.ts';
import { type DoctorCommand, type ExporterCommand, parseCommand, type RetentionCommand } from './cli.ts';
import { drain } from './commands/drain.ts';
import { evidence } from './commands/evidence.ts';
import { makeBucket } from './commands/make-bucket.ts';
import { reconcile } from './commands/reconcile.ts';
import { replay } from './commands/replay.ts';
import { retention } from './commands/retention.ts';
import { run } from './commands/run.ts';
import { runLog } from './commands/run-log.ts';
import { verify } from './commands/verify.ts';
import { composeDoctor, composeExporter, composeRetention } from './compose.ts';
import { DestinationSetupError } from './destinations/configured/create-destinations.ts';
import { exitCodes } from './diagnose/finding.ts';
import { runOverCells } from './over-cells.ts';
import { type ExporterSettings, readExporterSettings } from './settings.ts';

const command = parseCommand(process.argv.slice(2));
if (command.kind === 'doctor' || command.kind === 'retention')
  await runOverCells({
    args: process.argv.slice(1),
    json: command.json,
    runsOn: command.kind === 'retention' && Boolean(process.env.RETENTION_SCHEDULE) && !command.dryRun,
  });

start({
  service: 'exporter',
  read() {
    const settings = readExporterSettings(process.env);
    // The doctor makes no traces.
    return command.kind === 'doctor' ? { ...settings, tracesEndpoint: null } : settings;
  },
  // The standard output of a command is its result.
  logTo: command.kind === 'run' || command.kind === 'log' ? 'stdout' : 'stderr',
  exitCodeOfStop: command.kind === 'doctor' ? exitCodes.unknown : null,
  run(context) {
    if (command.kind === 'doctor') return examine(command, context);
    if (command.kind === 'retention') return retain(command, context);
    return execute(command, context);
  },
});

async function examine(given: DoctorCommand, { settings, shutdown }: Context<ExporterSettings>): Promise<number> {
  const composed = composeDoctor(settings);
  // Imported here because it needs drizzle, which is slow to load.
  const { doctor } = await import('./commands/doctor.ts');
  const exitCode = await doctor(composed, given, shutdown.taking);
  await composed.close();
  return exitCode;
}

async function retain(
  given: RetentionCommand,
  { settings, logger, shutdown }: Context<ExporterSettings>,
): Promise<number> {
  const composed = composeRetention(settings, logger);
  const exitCode = await retention(composed, given, shutdown.taking);
  await composed.close();
  return exitCode;
}

type ExportCommand = Exclude<ExporterCommand, DoctorCommand | RetentionCommand>;

async function execute(given: ExportCommand, context: Context<ExporterSettings>): Promise<number> {
  const exporter = composeExporter(context.settings, context.logger, context.tracing);
  const exitCode = await perform(given, exporter, context.shutdown);
  await exporter.close();
  return exitCode;
}

async function perform(
  given: ExportCommand,
  exporter: ReturnType<typeof composeExporter>,
  shutdown: Shutdown,
): Promise<number> {
  if (given.kind === 'log') return runLog(exporter, shutdown);
  try {
    if (given.kind === 'run' || given.kind === 'drain') await exporter.openLanes();
    if (given.kind === 'run') return await run(exporter, shutdown);
    switch (given.kind) {
      case 'make-bucket':
        return await makeBucket(exporter, given, shutdown.taking);
      case 'check': {
        // Imported here because it needs drizzle, which is slow to load.
        const { check } = await import('./commands/check.ts');
        return await check(exporter, given, shutdown.taking);
      }
      case 'verify':
        return await verify(exporter, given, shutdown.taking);
      case 'evidence':
        return await evidence(exporter, given, shutdown.taking);
      case 'reconcile':
        return await reconcile(exporter, given, shutdown.taking);
      case 'drain':
        return await drain(exporter, given, shutdown);
      case 'replay':
        return await replay(exporter, given, shutdown);
    }
  } catch (error) {
    if (error instanceof DestinationSetupError) {
      exporter.log.destinationsWrong(error);
      return 1;
    }
    if (!(error instanceof DatabaseError) || given.kind === 'run') throw error;
    exporter.log.commandFailed(error);
    return 1;
  }
}
