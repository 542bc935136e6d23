import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command, InvalidArgumentError } from 'commander';

/** What `npm run status` was told to do. */
export interface StatusCommand {
  readonly json: boolean;
  /** Events that wait for longer are late, in seconds. Without it the doctor's bound counts. */
  readonly maxBehind?: number;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseStatusCommand(argv: readonly string[]): StatusCommand {
  const cli = new Command(withCommands('npm run status --'))
    .description('Prints how far each destination is, what is stuck and what to do. It reads the database alone.')
    .option('--json', 'print one JSON object', false)
    .option('--max-behind <seconds>', 'how long an event may wait (default: 300 and EXPORT_LINGER_MS)', seconds)
    .addHelpText(
      'after',
      '\nExit codes: 0 nothing fails; 1 something is stuck or late, or the database is down; 2 it could not be read.',
    )
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  return cli.opts<StatusCommand>();
}

function seconds(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a whole number of seconds.');
}
