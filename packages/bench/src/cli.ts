import { Command, InvalidArgumentError } from 'commander';

/** The questions that can be asked, in their order. */
const questions = ['ingest', 'drain', 'lag', 'scale', 'poll', 'query'] as const;
export type Question = (typeof questions)[number];

/** What `npm run bench` was asked to do. */
export interface BenchCommand {
  readonly only: readonly Question[];
  readonly quick: boolean;
  /** How often contenders are measured, in turns. */
  readonly turns: number;
  /** Where our processes leave CPU profiles; null for none. */
  readonly profileFolder: string | null;
  readonly outputFolder: string | null;
}

interface Flags {
  readonly only?: readonly Question[];
  readonly quick?: true;
  readonly turns: number;
  readonly profile?: string;
  readonly output?: string;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): BenchCommand {
  const cli = new Command('npm run bench --')
    .description('Measures Auditbox beside what one would put together otherwise, in one run on one machine.')
    .option('--only <questions>', `some of ${questions.join(',')}`, questionsNamed)
    .option('--quick', 'one short turn of each, to see that it works: its figures mean little')
    .option('--turns <n>', 'how often each contender is measured, in turns', turnsGiven, 3)
    .option('--output <folder>', 'write the tables, the figures as JSON and the plots into this folder')
    .option('--profile <folder>', 'let our processes write CPU profiles (Node --cpu-prof) into this folder')
    .showHelpAfterError()
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const { only = questions, quick = false, turns, profile = null, output = null } = cli.opts<Flags>();
  return { only, quick, turns: quick ? 1 : turns, profileFolder: profile, outputFolder: output };
}

function questionsNamed(text: string): readonly Question[] {
  const asked = text.split(',');
  const unknown = asked.find((name) => !questions.some((question) => question === name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no question "${unknown}".`);
  return questions.filter((question) => asked.includes(question));
}

function turnsGiven(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It takes a whole number from 1 to 99.');
}
