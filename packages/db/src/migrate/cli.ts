import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { processRoles } from './grant-rights.ts';
import type { Login } from './set-up-logins.ts';

/** What `npm run migrate` was asked to do. */
export interface MigrateCommand {
  /** Null does not change the index of words. */
  readonly searchIndex: 'on' | 'off' | null;
  /** Whether to make the roles that processes may run under. False does not remove them. */
  readonly roles: boolean;
  /** Logins to make, without their passwords. */
  readonly logins: readonly Omit<Login, 'password'>[];
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
    .addOption(
      new Option(
        '--login <name=role>',
        'make a login that is a member of one of these roles, or give it its password again; may be given several times. The password of app_api is the variable APP_API_PASSWORD; without that variable nothing is made',
      )
        .argParser((text: string, before: readonly Omit<Login, 'password'>[]) => [...before, readLogin(text)])
        .default([]),
    )
    .option('--json', 'print what was done as one JSON object')
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const {
    searchIndex = null,
    roles = false,
    login: logins = [],
    json = false,
  } = cli.opts<Partial<MigrateCommand & { readonly login: MigrateCommand['logins'] }>>();
  return { searchIndex, roles, logins, json };
}

function readLogin(text: string): Omit<Login, 'password'> {
  const [, name, given] = /^([a-z_][a-z0-9_]{0,62})=(\w+)$/.exec(text) ?? [];
  const role = processRoles.find((one) => one === given);
  if (name === undefined || role === undefined || name === role)
    throw new InvalidArgumentError(`It must be a name, = and one of ${processRoles.join(', ')}.`);
  return { name, role };
}
