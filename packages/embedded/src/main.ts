import { portRange } from '@auditbox/process/common-settings.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { optional, readSettings, wholeNumber } from '@auditbox/process/settings.ts';
import { parseCommand } from './cli.ts';
import { createLinePrinter } from './stack/show-line.ts';
import { createStack } from './stack/stack.ts';
import { welcomeJson, welcomeText } from './stack/welcome.ts';

/*
 * `npm start`: the whole system on this machine, with nothing else installed. Postgres, the object store, the api and
 * the exporter are separate processes. This process starts, watches and stops them.
 */

const port = optional(wholeNumber(portRange, { meaning: '' }));
const settings = { PORT: port, METRICS_PORT: port };
const { data, isDefault, reset, demo, json } = parseCommand(process.argv.slice(2), process.env);
// Keys, rows and objects are nobody else's.
process.umask(0o077);
const lines = json ? process.stderr : process.stdout;
const showLine = createLinePrinter((text) => void lines.write(text), lines.isTTY);
let exitCode: number | null = null;

const stack = createStack({
  home: data,
  isDefaultHome: isDefault,
  given: readGiven(),
  environment: process.env,
  ...{ demo, reset },
  welcome: json ? welcomeJson : welcomeText,
  showLine,
  onGivenUp: () => void exit(1),
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void exit(0));
// The reader has gone (`npm start | head`), or the terminal was closed.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => void exit(1));
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
if (process.env.npm_lifecycle_event) stopWithParent(process.ppid);

stack.start().then((welcome) => void process.stdout.write(welcome), fail);

function fail(error: unknown): void {
  if (exitCode === null) showLine('start', error instanceof Error ? error.message : String(error));
  void exit(1);
}

async function exit(code: number): Promise<void> {
  if (exitCode !== null) return;
  exitCode = code;
  await stack.stop();
  process.exit(code);
}

/** A killed npm does not stop its children. This process then gets another parent, which would never stop it. */
function stopWithParent(parent: number): void {
  setInterval(() => void (process.ppid === parent || exit(1)), 500).unref();
}

function readGiven() {
  try {
    const { PORT, METRICS_PORT } = readSettings(settings, process.env);
    const masterKey = process.env.AUDIT_MASTER_KEY || null;
    return { apiPort: PORT ?? null, exporterPort: METRICS_PORT ?? null, masterKey };
  } catch (error) {
    exitWith(error);
  }
}
