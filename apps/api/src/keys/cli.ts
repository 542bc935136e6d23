import { Command, InvalidArgumentError } from 'commander';

/** What `npm run keys` can do. */
export interface KeyCommands {
  create(name: string, scopes: readonly ('read' | 'write')[]): Promise<void>;
  list(): Promise<void>;
  revoke(name: string): Promise<void>;
}

/** The command line of `npm run keys`; errors and `--help` are commander's. */
export function keysCli(commands: KeyCommands): Command {
  const cli = new Command('npm run keys --')
    .description('Makes, lists and revokes the keys of the api.')
    .showHelpAfterError();
  cli
    .command('create')
    .description('Make a key. It is shown once; only its hash is stored.')
    .requiredOption('--name <name>', 'what the key is for')
    .requiredOption('--scope <scopes>', 'read, write, or read,write', parseScopes)
    .action(({ name, scope }: { name: string; scope: ('read' | 'write')[] }) => commands.create(name, scope));
  cli
    .command('list')
    .description('List all keys, without the keys themselves.')
    .action(() => commands.list());
  cli
    .command('revoke')
    .description('End a key; the api refuses it from 5 seconds later at most.')
    .requiredOption('--name <name>', 'the name it was made with')
    .action(({ name }: { name: string }) => commands.revoke(name));
  return cli;
}

function parseScopes(text: string): ('read' | 'write')[] {
  const scopes = [...new Set(text.split(',').map((scope) => scope.trim()))];
  if (scopes.every((scope) => scope === 'read' || scope === 'write')) return scopes;
  throw new InvalidArgumentError('It takes read, write, or read,write.');
}
