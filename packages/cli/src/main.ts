#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { nearestName } from '@auditbox/core/text/nearest-name.ts';
import { endWithReader } from '@auditbox/process/end-with-reader.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { describeUnknownSetting, findUnknownSettings } from '@auditbox/process/unknown-settings.ts';
import { loadEnvironment } from './load-environment.ts';
import { isInstalled, type Subcommand, subcommands } from './subcommands.ts';

/*
 * The program `auditbox`: every command of Auditbox under one name. `npm run NAME` is the same as `auditbox NAME`. It loads the
 * environment, then runs the module of the command in this process.
 */

const root = new URL('../../../', import.meta.url);
const [name, ...args] = process.argv.slice(2);
const asksHelp = ['--help', '-h', 'help'];

// Node keeps what it compiled, so that later starts do not load the compiler of TypeScript. Where the folder cannot be written,
// as in an image, nothing is kept. NODE_COMPILE_CACHE names another folder.
enableCompileCache(fileURLToPath(new URL('node_modules/.cache/auditbox', root)));

if (name === 'help' && args[0] !== undefined) await run(findSubcommand(args[0]), ['--help']);
else if (name === undefined || asksHelp.includes(name)) print(help());
else if (name === '--version' || name === '-V' || args[0] === '--version' || args[0] === '-V') print(`${version()}\n`);
else await run(findSubcommand(name), args);

function print(text: string): void {
  endWithReader();
  process.stdout.write(text);
}

async function run(subcommand: Subcommand, given: readonly string[]): Promise<void> {
  // Other files of the tests and of our users' tools look at the path of a program, so it is that of the module.
  process.argv.splice(1, process.argv.length, fileURLToPath(subcommand.file), ...subcommand.args, ...given);
  // Help needs no setting, so a wrong one must not be in its way.
  if (!given.some((one) => one === '--help' || one === '-h') && given[0] !== 'help') prepareEnvironment(subcommand);
  if (!subcommand.endsWithReader) endWithReader();
  if (!subcommand.endsWithSignal) endWithSignal();
  await import(subcommand.file.href);
  // Otherwise it would be kept at the end of the process, which a killed one does not have.
  flushCompileCache();
}

/**
 * A first process of a container has no default for signals: without this, Ctrl-C and `docker stop` wait until the command is
 * killed. Elsewhere it changes nothing.
 */
function endWithSignal(): void {
  process.once('SIGINT', () => process.exit(130));
  process.once('SIGTERM', () => process.exit(143));
}

function prepareEnvironment(subcommand: Subcommand): void {
  const stackFolder = process.env.AUDITBOX_DATA || fileURLToPath(new URL('.auditbox', root));
  try {
    const note = loadEnvironment(process.env, subcommand, { folder: process.cwd(), stackFolder });
    if (note !== null) process.stderr.write(`${note}\n`);
  } catch (error) {
    exitWith(error);
  }
  if (subcommand.logsWarnings) return;
  for (const unknown of findUnknownSettings(process.env)) process.stderr.write(`${describeUnknownSetting(unknown)}\n`);
}

function findSubcommand(given: string): Subcommand {
  const found = subcommands.find((one) => one.name === given);
  if (found === undefined) {
    const nearest = nearestName(
      given,
      subcommands.map((one) => one.name),
    );
    const hint = nearest === null ? '`auditbox --help` lists the commands.' : `Did you mean ${nearest}?`;
    exitWith(`There is no command ${given}. ${hint}`);
  }
  if (!isInstalled(found)) exitWith(`The command ${given} is not in this image. ${otherImage(found)}`);
  return found;
}

function otherImage({ file }: Subcommand): string {
  const app = /apps\/(\w+)\//.exec(file.pathname)?.[1];
  return app === undefined ? 'Run it in a clone.' : `It is in the image of the ${app}.`;
}

function help(): string {
  const here = subcommands.filter(isInstalled);
  const lines = here.map((one) => `  ${one.name.padEnd(13)} ${one.about}\n`).join('');
  const others = subcommands.filter((one) => !here.includes(one)).map((one) => one.name);
  const elsewhere = others.length === 0 ? '' : `\nNot in this image: ${others.join(', ')}.\n`;
  return `Usage: auditbox <command> [options]

${lines}${elsewhere}
\`auditbox <command> --help\` lists its options. Every command prints JSON with --json.
Settings come from the environment, and from .env in the current folder.
`;
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string }).version;
}
