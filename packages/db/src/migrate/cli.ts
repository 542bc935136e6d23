import { Command, Option } from 'commander';

/** What `npm run migrate` was asked to do. */
export interface MigrateCommand {
  /** Null leaves the index of words as it is. */
  readonly searchIndex: 'on' | 'off' | null;
  /** Whether to make the roles that processes may run under. Those that are there stay either way. */
  readonly roles: boolean;
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
    .option(
      '--roles',
      'make the roles auditbox_api, auditbox_exporter and auditbox_retention, whose members may do what their process needs and no more; takes CREATEROLE. Later runs keep their rights up to date without it',
    )
    .showHelpAfterError()
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const { searchIndex = null, roles = false } = cli.opts<{ searchIndex?: 'on' | 'off'; roles?: boolean }>();
  return { searchIndex, roles };
}
