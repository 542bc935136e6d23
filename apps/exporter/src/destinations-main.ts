import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type Context, start } from '@auditbox/process/start.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { backfill, pauseOrResume, remove, replayAgain } from './commands/destinations/change.ts';
import { type DestinationsCommand, parseDestinationsCommand } from './commands/destinations/cli.ts';
import { listAll } from './commands/destinations/list.ts';
import { type CommandResult, failure, success } from './commands/destinations/result.ts';
import { checkAll, sendTest } from './commands/destinations/try.ts';
import type { ConfiguredDestination } from './destinations/configured/configured-destination.ts';
import { createDestinations, DestinationSetupError } from './destinations/configured/create-destinations.ts';
import { createExporterLog } from './log.ts';
import { runOverCells } from './over-cells.ts';
import { type ExporterSettings, readExporterSettings } from './settings.ts';

/* `npm run destinations`: the commands about destinations. They work next to running exporters. */

const command = parseDestinationsCommand(process.argv.slice(2));
await runOverCells({ args: process.argv.slice(1), json: command.json, runsOn: false });

start({
  service: 'exporter',
  read: () => ({ ...readExporterSettings(process.env), tracesEndpoint: null }),
  logTo: 'stderr',
  exitCodeOfStop: command.kind === 'list' ? 1 : null,
  async run(context) {
    const { lines, json, exitCode } = await perform(context);
    const text = command.json ? `${JSON.stringify(json)}\n` : lines.map((line) => `${line}\n`).join('');
    process.stdout.write(withCommands(text));
    return exitCode;
  },
});

async function perform(context: Context<ExporterSettings>): Promise<CommandResult> {
  const { settings } = context;
  const db = connectDatabase({
    url: settings.databaseUrl,
    schema: settings.databaseSchema,
    application: 'auditbox destinations',
    maxConnections: 1,
    statementTimeoutMs: 60_000,
  });
  try {
    return await execute(db, command, context);
  } catch (error) {
    if (error instanceof DatabaseError) return failure(error.sentence, { code: error.code });
    if (error instanceof DestinationSetupError) return failure(error.message);
    throw error;
  } finally {
    await db.close(1_000);
  }
}

async function execute(
  db: Database,
  given: DestinationsCommand,
  context: Context<ExporterSettings>,
): Promise<CommandResult> {
  const { destinations } = context.settings;
  const { taking } = context.shutdown;
  switch (given.kind) {
    case 'list':
      return listAll(db, destinations);
    case 'check': {
      const unknown = given.names.find((name) => !destinations.all.some((one) => one.name === name));
      if (unknown !== undefined) return failure(`${unknown} is not in the configuration.`);
      const wanted = destinations.all.filter(({ name }) => given.names.length === 0 || given.names.includes(name));
      if (given.dryRun) return listWanted('Would be asked', wanted);
      return withDestinations(wanted, context, (made) => checkAll(made, taking));
    }
    case 'test': {
      const wanted = destinations.all.filter(({ name }) => name === given.name);
      if (given.dryRun && wanted.length > 0) return listWanted('Would get a test event', wanted);
      return withDestinations(wanted, context, async ([made]) =>
        made === undefined ? failure(`${given.name} is not in the configuration.`) : sendTest(made, taking),
      );
    }
    case 'pause':
    case 'resume':
      return pauseOrResume(db, given);
    case 'replay':
      return replayAgain(db, given, taking);
    case 'backfill':
      return backfill(db, given);
    case 'remove':
      return remove(
        db,
        given,
        destinations.all.some(({ name }) => name === given.name),
        taking,
      );
    default:
      return given satisfies never;
  }
}

/** What a dry run would reach. */
function listWanted(what: string, wanted: readonly ConfiguredDestination[]): CommandResult {
  const names = wanted.map(({ name }) => name);
  return success(`${what}: ${names.join(', ') || 'none'}.`, { dryRun: true, destinations: names });
}

async function withDestinations(
  wanted: readonly ConfiguredDestination[],
  { logger }: Context<ExporterSettings>,
  work: (made: Awaited<ReturnType<typeof createDestinations>>) => Promise<CommandResult>,
): Promise<CommandResult> {
  const made = await createDestinations(wanted, { log: createExporterLog(logger), env: process.env });
  try {
    return await work(made);
  } finally {
    await Promise.all(made.map(([, destination]) => destination.close()));
  }
}
