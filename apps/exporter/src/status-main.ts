import { checkDatabase, explainUnready } from '@auditbox/db/database/check-database.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { countExporterConnections } from '@auditbox/db/observe/count-exporters.ts';
import { commonSettings } from '@auditbox/process/common-settings.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { start } from '@auditbox/process/start.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { exitCodes } from './diagnose/finding.ts';
import { parseStatusCommand } from './status/cli.ts';
import { describeStatus } from './status/describe-status.ts';
import type { DestinationStatus } from './status/destination-status.ts';
import { readStatus } from './status/read-status.ts';

/* `npm run status`: one screen that says what is behind, what is stuck and what to do. It needs the database alone. */

const { json, maxBehind } = parseStatusCommand(process.argv.slice(2));
const { DATABASE_URL, DATABASE_SCHEMA, LOG_LEVEL } = commonSettings;

start({
  service: 'exporter',
  read() {
    const values = readSettings({ DATABASE_URL, DATABASE_SCHEMA, LOG_LEVEL }, process.env);
    return { url: values.DATABASE_URL, schema: values.DATABASE_SCHEMA, logLevel: values.LOG_LEVEL };
  },
  logTo: 'stderr',
  async run({ settings: { url, schema } }) {
    const db = connectDatabase({
      ...{ url, schema },
      application: 'auditbox status',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
      onlyReads: 'any',
    });
    const { text, exitCode } = await report(db);
    process.stdout.write(withCommands(`${text}\n`));
    await db.close(1_000);
    return exitCode;
  },
});

async function report(db: Database): Promise<{ text: string; exitCode: number }> {
  try {
    await checkDatabase(db);
    const destinations = await readStatus(db, maxBehind);
    const connections = await countExporterConnections(db);
    const state = worst(destinations);
    if (json)
      return {
        text: JSON.stringify({ state, exporterConnections: connections, destinations }),
        exitCode: exitCodes[state],
      };
    const processes =
      connections === 0
        ? 'No exporter is connected to the database. If none runs behind a pooler, start one.'
        : `Exporters are connected to the database (${connections} connections).`;
    const text = [processes, ...sortBySeverity(destinations).map(describeStatus)].join('\n');
    return { text, exitCode: exitCodes[state] };
  } catch (error) {
    const says = explainUnready(error);
    const text = json ? JSON.stringify({ state: 'unknown', says }) : `unknown  ${says}`;
    return { text, exitCode: exitCodes.unknown };
  }
}

const order = ['pass', 'warn', 'fail'] as const;

function worst(destinations: readonly DestinationStatus[]): DestinationStatus['state'] {
  return order.findLast((state) => destinations.some((one) => one.state === state)) ?? 'pass';
}

/** What needs a person is last on the screen. */
function sortBySeverity(destinations: readonly DestinationStatus[]): readonly DestinationStatus[] {
  return [...destinations].sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
}
