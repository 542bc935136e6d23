import { resolve } from 'node:path';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command, InvalidArgumentError } from 'commander';

/** What `npm start` was told to do. */
export interface StartCommand {
  /** The folder of all data. */
  readonly data: string;
  /** Whether that is the folder of a start without a name. */
  readonly isDefault: boolean;
  /** Whether to delete the data first. */
  readonly reset: boolean;
  /** Whether to store a week of example events. */
  readonly demo: boolean;
  /** Whether to print one JSON object once everything works, and all lines to standard error. */
  readonly json: boolean;
}

const defaultFolder = resolve(import.meta.dirname, '../../../.auditbox');

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[], environment: NodeJS.ProcessEnv): StartCommand {
  const folder = environment.AUDITBOX_DATA || defaultFolder;
  const name = environment.AUDITBOX_COMMAND ? withCommands('npm run start --') : 'npm start --';
  const { data, reset, demo, json } = new Command(name)
    .description('Runs Postgres, an object store, the api and the exporter on this machine, for trying Auditbox out.')
    .option(
      '--data <folder>',
      'where all data is kept; AUDITBOX_DATA names it for the other commands',
      readFolder,
      folder,
    )
    .option('--reset', 'delete all data of an earlier start first', false)
    .option('--demo', 'store a week of example events', false)
    .option(
      '--json',
      'print the addresses as one JSON object once everything works, and the logs to standard error',
      false,
    )
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' })
    .opts<StartCommand>();
  return { data: resolve(data), isDefault: resolve(data) === defaultFolder, reset, demo, json };
}

/** An empty name would be the current folder, whose files are not ours. */
function readFolder(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('It must be the path of a folder.');
}
