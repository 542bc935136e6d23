import { withCommands } from '@auditbox/process/with-commands.ts';
import { Command } from 'commander';

type Option = readonly [flags: string, description: string];
const jsonOption: Option = ['--json', 'print the result as one JSON object'];

/** Commands that are called by their own name: `npm run doctor` is the exporter with `--doctor`. */
const namedCommands: Readonly<Record<string, { readonly about: string; readonly options: readonly Option[] }>> = {
  '--doctor': {
    about:
      'Prints what is wrong with the database, the exports and the bucket, and what to do. It writes nothing. Exit codes: 0 no check failed; 1 a check failed; 2 a required check could not be done.',
    options: [jsonOption, ['--max-open <seconds>', 'how long a transaction may be open (default: 1800)']],
  },
  '--log': {
    about: 'Numbers, signs and publishes the log of batches, until it is stopped.',
    options: [['--json', 'its log is JSON, one object on each line, with this option and without it']],
  },
  '--retention': {
    about:
      'Removes the months that are past AUDIT_RETENTION_DAYS, once their objects were read back. With RETENTION_SCHEDULE it keeps running.',
    options: [['--dry-run', 'print what would be removed, change nothing'], jsonOption],
  },
};

/** Prints the help of a command that has a name, and ends the process. */
export function showHelpOfFirst(flag = ''): void {
  const named = namedCommands[flag];
  if (named === undefined) return;
  const cli = new Command(withCommands(`npm run ${flag.slice(2)} --`)).description(named.about);
  for (const [flags, description] of named.options) cli.option(flags, description);
  cli.help();
}
