import { Command, InvalidArgumentError } from 'commander';

/** The commands of `npm run keys`. */
export interface KeyCommands {
  create(name: string, scopes: readonly ('read' | 'write')[]): Promise<void>;
  list(): Promise<void>;
  revoke(name: string): Promise<void>;
}

/** The command line of `npm run keys`. commander prints errors and `--help`. */
export function keysCli(commands: KeyCommands): Command {
  const cli = new Command('npm run keys --')
    .description('Creates, lists and revokes keys of the api.')
    .showHelpAfterError();
  cli
    .command('create')
    .description('Create a key. It is shown once; only its hash is stored.')
    .requiredOption('--name <name>', 'the purpose of the key')
    .requiredOption('--scope <scopes>', 'read, write, or read,write', parseScopes)
    .action(({ name, scope }: { name: string; scope: ('read' | 'write')[] }) => commands.create(name, scope));
  cli
    .command('list')
    .description('List all keys: names, scopes and times, never the keys.')
    .action(() => commands.list());
  cli
    .command('revoke')
    .description('Revoke a key. The api rejects it within 5 seconds.')
    .requiredOption('--name <name>', 'the name of the key')
    .action(({ name }: { name: string }) => commands.revoke(name));
  return cli;
}

function parseScopes(text: string): ('read' | 'write')[] {
  const scopes = [...new Set(text.split(',').map((scope) => scope.trim()))];
  if (scopes.every((scope) => scope === 'read' || scope === 'write')) return scopes;
  throw new InvalidArgumentError('It must be read, write, or read,write.');
}
