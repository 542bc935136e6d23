import { Command, Option } from 'commander';

/** What `npm run migrate` was asked to do. */
export interface MigrateCommand {
  /** Null leaves the index of words as it is. */
  readonly searchIndex: 'on' | 'off' | null;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): MigrateCommand {
  const cli = new Command('npm run migrate --')
    .description(
      'Brings the schema up to date. Several may run at once; it waits a minute for a database that is not there.',
    )
    .addOption(
      new Option(
        '--search-index <state>',
        'the index of words in values, which makes `q` quick at any size and inserts dearer: make or remove it',
      ).choices(['on', 'off']),
    )
    .showHelpAfterError()
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const { searchIndex = null } = cli.opts<{ searchIndex?: 'on' | 'off' }>();
  return { searchIndex };
}
