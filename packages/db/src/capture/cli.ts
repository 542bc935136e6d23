import { nameCommands } from '@auditbox/core/text/name-commands.ts';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CaptureOptions, defaultMaxValue } from './captured-tables.ts';

/** What `npm run capture` was asked to do. */
export type CaptureCommand =
  | { readonly kind: 'add'; readonly table: string; readonly options: CaptureOptions; readonly json: boolean }
  | { readonly kind: 'remove'; readonly table: string; readonly json: boolean }
  | { readonly kind: 'list' | 'check'; readonly json: boolean };

interface AddFlags extends Partial<Pick<CaptureOptions, 'key' | 'exclude' | 'mask' | 'ignore'>> {
  readonly maxValue: number;
  readonly requireActor?: true;
  readonly onTruncate: CaptureOptions['on_truncate'];
  readonly name?: string;
  readonly json?: true;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): CaptureCommand {
  let command: CaptureCommand | null = null;
  const cli = new Command(nameCommands('npm run capture --', process.env.AUDITBOX_COMMAND)).description(
    'Records every change of a table by triggers, in the transaction of the application.',
  );
  cli
    .command('add <table>')
    .description('capture a table, such as public.invoices, or change how it is captured')
    .addOption(list('--key', 'the columns of the object id; the primary key unless given'))
    .addOption(list('--exclude', 'columns that are not recorded'))
    .addOption(list('--mask', 'columns whose value is replaced, by [redacted:iban] for a column iban'))
    .addOption(list('--ignore', 'columns whose change alone is not recorded, such as updated_at'))
    .option('--max-value <bytes>', 'a longer value is replaced by its length and SHA-256', readBytes, defaultMaxValue)
    .option('--require-actor', 'refuse a change in a transaction that has no auditbox.as(…)')
    .addOption(
      new Option('--on-truncate <mode>', 'refuse TRUNCATE, or record it as one event')
        .choices(['refuse', 'record'])
        .default('refuse'),
    )
    .option('--name <name>', 'the table_name of the events; schema.table unless given')
    .option('--json', 'print the result as one JSON object')
    .action((table: string, flags: AddFlags) => {
      const {
        key = [],
        exclude = [],
        mask = [],
        ignore = [],
        maxValue,
        requireActor = false,
        onTruncate,
        name,
        json = false,
      } = flags;
      command = {
        kind: 'add',
        table,
        json,
        options: {
          key,
          exclude,
          mask,
          ignore,
          max_value: maxValue,
          require_actor: requireActor,
          on_truncate: onTruncate,
          name: name ?? null,
        },
      };
    });
  cli
    .command('remove <table>')
    .description('end the capture of a table; what was recorded stays')
    .option('--json', 'print the result as one JSON object')
    .action((table: string, { json = false }: { json?: boolean }) => {
      command = { kind: 'remove', table, json };
    });
  for (const [kind, what] of [
    ['list', 'print the captured tables'],
    ['check', 'print what keeps changes from being recorded; exit code 1 if there is something'],
  ] as const)
    cli
      .command(kind)
      .description(what)
      .option('--json', 'print JSON')
      .action(({ json = false }: { json?: boolean }) => {
        command = { kind, json };
      });
  cli.parse([...argv], { from: 'user' });
  return command ?? cli.help({ error: true });
}

function list(flag: string, description: string): Option {
  return new Option(`${flag} <columns>`, `${description}; separated by commas`).argParser((text: string) =>
    text.split(',').map((column) => column.trim()),
  );
}

function readBytes(text: string): number {
  const bytes = Number(text);
  if (!Number.isInteger(bytes) || bytes < 64) throw new InvalidArgumentError('It must be a whole number from 64.');
  return bytes;
}
