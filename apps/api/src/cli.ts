import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command } from 'commander';

/** Reads the command line of `npm run api`. On `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): void {
  new Command(withCommands('npm run api --'))
    .description('Takes and answers audit events over HTTP until it is stopped. docs/settings.md lists its settings.')
    .option('--json', 'its log is JSON, one object on each line, with this option and without it')
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
}
