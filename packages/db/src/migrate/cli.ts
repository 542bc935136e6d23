import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { Command, Option } from 'commander';

/** What `npm run migrate` was asked to do. */
export interface MigrateCommand {
  /** Null does not change the index of words. */
  readonly searchIndex: 'on' | 'off' | null;
  /** Whether to make the roles that processes may run under. False does not remove them. */
  readonly roles: boolean;
  /** Whether to print one JSON object instead of lines. */
  readonly json: boolean;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): MigrateCommand {
  const cli = new Command(nameCommands('npm run migrate --', process.env.AUDITBOX_COMMAND))
    .description('Brings the schema up to date. Several may run at once. Waits up to a minute for the database.')
    .addOption(
      new Option(
        '--search-index <state>',
        'make or remove the index of words in values, which makes `q` fast at any size and inserts slower',
      ).choices(['on', 'off']),
    )
    .option(
      '--roles',
      'make the roles auditbox_api, auditbox_exporter, auditbox_retention and auditbox_writer, whose members have only the rights that their process needs. This needs CREATEROLE. Later runs keep the rights up to date without this option',
    )
    .option('--json', 'print what was done as one JSON object')
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const { searchIndex = null, roles = false, json = false } = cli.opts<Partial<MigrateCommand>>();
  return { searchIndex, roles, json };
}
