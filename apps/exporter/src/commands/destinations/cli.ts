import { readFrom, readTo, requireOrder } from '@auditbox/process/command-arguments.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command } from 'commander';

/** What each command was told in addition. */
interface Common {
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** What `npm run destinations` was told to do. */
export type DestinationsCommand = Common &
  (
    | { readonly kind: 'list' }
    | { readonly kind: 'check'; readonly names: readonly string[] }
    | { readonly kind: 'test'; readonly name: string }
    | { readonly kind: 'pause' | 'resume'; readonly name: string }
    | {
        readonly kind: 'replay';
        readonly name: string;
        /** Null replays only what failed or was rejected. */
        readonly range: { readonly from: string | null; readonly to: string | null } | null;
      }
    /** A null `since` adds all batches. */
    | { readonly kind: 'backfill'; readonly name: string; readonly since: string | null }
    | { readonly kind: 'remove'; readonly name: string; readonly isConfirmed: boolean }
  );

interface Flags {
  readonly dryRun?: true;
  readonly json?: true;
  readonly from?: string;
  readonly to?: string;
  readonly all?: true;
  readonly since?: string;
  readonly yes?: true;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseDestinationsCommand(argv: readonly string[]): DestinationsCommand {
  let command: DestinationsCommand | null = null;
  const cli = new Command(withCommands('npm run destinations --')).description('Shows and changes destinations.');
  const common = ({ dryRun, json }: Flags): Common => ({ dryRun: dryRun === true, json: json === true });
  const add = (name: string, description: string) =>
    cli
      .command(name)
      .description(description)
      .option('--dry-run', 'print what would be done, change nothing')
      .option('--json', 'print the result as one JSON object')
      .allowExcessArguments(false);

  add('list', 'all destinations, with what waits').action((flags: Flags) => {
    command = { kind: 'list', ...common(flags) };
  });
  add('check [names...]', 'ask each receiver whether it works').action((names: string[], flags: Flags) => {
    command = { kind: 'check', names, ...common(flags) };
  });
  for (const [kind, description] of [
    ['test', 'send one event that is marked as a test'],
    ['pause', 'send nothing until it is resumed; batches wait'],
    ['resume', 'send again'],
  ] as const)
    add(`${kind} <name>`, description).action((name: string, flags: Flags) => {
      command = { kind, name, ...common(flags) };
    });
  add('replay <name>', 'send again what failed or was rejected; with a range or --all also what was sent')
    .option('--from <time>', 'batches with events at or after this time, a date or RFC 3339', readFrom)
    .option('--to <time>', 'batches with events at or before this time', readTo)
    .option('--all', 'everything')
    .action((name: string, { from, to, all, ...flags }: Flags) => {
      const isBounded = from !== undefined || to !== undefined;
      if (isBounded && all) cli.error('error: --all is everything; leave out --from and --to');
      requireOrder(cli, { from, to });
      const range = isBounded || all ? { from: from ?? null, to: to ?? null } : null;
      command = { kind: 'replay', name, range, ...common(flags) };
    });
  add('backfill <name>', 'add deliveries of old batches')
    .requiredOption('--since <time>', 'events at or after this time, or all', (text) =>
      text === 'all' ? text : readFrom(text),
    )
    .action((name: string, { since, ...flags }: Flags & { since: string }) => {
      command = { kind: 'backfill', name, since: since === 'all' ? null : since, ...common(flags) };
    });
  add('remove <name>', 'forget a destination and all of its deliveries')
    .option('--yes', 'do it')
    .action((name: string, { yes, ...flags }: Flags) => {
      command = { kind: 'remove', name, isConfirmed: yes === true, ...common(flags) };
    });
  cli.parse([...argv], { from: 'user' });
  return command ?? cli.error('error: name a command');
}
