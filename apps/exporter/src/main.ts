import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { type Context, start } from '@auditbox/process/start.ts';
import { type DoctorCommand, type ExporterCommand, parseCommand } from './cli.ts';
import { check } from './commands/check.ts';
import { drain } from './commands/drain.ts';
import { makeBucket } from './commands/make-bucket.ts';
import { replay } from './commands/replay.ts';
import { run } from './commands/run.ts';
import { composeDoctor, composeExporter, type Exporter } from './compose.ts';
import { type ExporterConfig, exporterRelations, exporterSettings } from './settings.ts';

const command = parseCommand(process.argv.slice(2));

start({
  service: 'exporter',
  read() {
    const settings = readSettings(exporterSettings, process.env, exporterRelations);
    // The doctor makes no traces.
    const tracesEndpoint = command.kind === 'doctor' ? null : settings.OTEL_EXPORTER_OTLP_ENDPOINT;
    return { ...settings, logLevel: settings.LOG_LEVEL, tracesEndpoint };
  },
  logTo: command.kind === 'run' ? 'stdout' : 'stderr',
  run: (context) => (command.kind === 'doctor' ? examine(command, context) : execute(command, context)),
});

async function examine(doctorCommand: DoctorCommand, { settings, shutdown }: Context<ExporterConfig>): Promise<number> {
  const composed = composeDoctor(settings);
  // Imported here because only the doctor needs drizzle, which is slow to load.
  const { doctor } = await import('./commands/doctor.ts');
  const exitCode = await doctor(composed, doctorCommand, shutdown.taking);
  await composed.close();
  return exitCode;
}

type ExportCommand = Exclude<ExporterCommand, DoctorCommand>;

async function execute(exportCommand: ExportCommand, context: Context<ExporterConfig>): Promise<number> {
  const exporter = composeExporter(context.settings, context.logger, context.tracing);
  const exitCode = await perform(exportCommand, exporter, context.shutdown);
  await exporter.close();
  return exitCode;
}

async function perform(exportCommand: ExportCommand, exporter: Exporter, shutdown: Shutdown): Promise<number> {
  if (exportCommand.kind === 'run') return run(exporter, shutdown);
  try {
    switch (exportCommand.kind) {
      case 'make-bucket':
        return await makeBucket(exporter, shutdown.taking);
      case 'check':
        return await check(exporter, exportCommand, shutdown.taking);
      case 'drain':
        return await drain(exporter, shutdown);
      case 'replay':
        return await replay(exporter, exportCommand, shutdown);
    }
  } catch (error) {
    const databaseError = toDatabaseError(error);
    if (databaseError === null) throw error;
    exporter.logger.error(databaseError.sentence);
    return 1;
  }
}
