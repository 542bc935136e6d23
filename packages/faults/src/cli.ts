import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import { catalogue } from './faults/catalogue.ts';
import type { Fault } from './faults/fault.ts';
import type { RunPlan } from './run-faults.ts';
import { maxCells } from './scene/cell.ts';

/** The command line of `npm run test:faults`. */
export type FaultsCommand = Omit<RunPlan, 'store' | 'nodeVariables'>;

interface Flags {
  readonly rounds: number;
  readonly round?: number;
  readonly seed: number;
  readonly only?: readonly Fault[];
  readonly lanes?: number;
  readonly cells: number;
  readonly hold: number;
  readonly historyRows: number;
  readonly defaultSettings?: true;
}

/** The width of the names of faults in the help. */
const width = Math.max(...catalogue.map(({ name }) => name.length));

/** Reads the command line. On `--help` or an error, commander prints a text and ends the process. */
export function parseCommand(argv: readonly string[]): FaultsCommand {
  const cli = new Command('npm run test:faults --')
    .description(
      'Kills and stops the real processes, breaks their connections and fakes responses of S3. Checks that no event is lost or doubled.',
    )
    .option('--rounds <n>', 'rounds of each fault', wholeNumber(1, 100_000), 1)
    .option('--round <n>', 'play only this round of each fault, counted from 0', wholeNumber(0, 100_000))
    .option(
      '--seed <s>',
      'seed of all random choices, to repeat a run',
      wholeNumber(0, 2 ** 31 - 1),
      randomInt(2 ** 31 - 1),
    )
    .option(
      '--only <names>',
      'only these faults, separated by commas; part of a name stands for all that contain it',
      parseFaults,
    )
    .option(
      '--lanes <n>',
      'number of scenes at the same time, each with its own Postgres (default: 6, with cells 2)',
      wholeNumber(1, 64),
    )
    .option(
      '--cells <n>',
      'number of databases behind the apis, each on its own Postgres; each round strikes one of them',
      wholeNumber(1, maxCells),
      1,
    )
    .option('--hold <seconds>', 'duration of faults that last, such as an open snapshot', wholeNumber(1, 3_600), 2)
    .option(
      '--history-rows <n>',
      'number of events in the history that a new destination gets',
      wholeNumber(1, 10_000_000),
      2_000,
    )
    .option('--default-settings', 'run exporters with default settings; each round then lasts up to a minute')
    .addHelpText(
      'after',
      `\nFaults:\n${catalogue.map(({ name, about }) => `  ${name.padEnd(width)}  ${about}`).join('\n')}`,
    )
    .showHelpAfterError()
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const {
    rounds,
    round: onlyRound = null,
    seed,
    only = catalogue,
    cells,
    hold,
    historyRows,
    defaultSettings,
    ...flags
  } = cli.opts<Flags>();
  const lanes = flags.lanes ?? (cells === 1 ? 6 : 2);
  return {
    faults: only,
    rounds,
    onlyRound,
    seed,
    lanes,
    cells,
    holdMs: hold * 1_000,
    historyRows,
    pace: defaultSettings ? 'default' : 'quick',
  };
}

/** In the order of the catalogue, each once. */
function parseFaults(parts: string): readonly Fault[] {
  const asked = new Set(parts.split(',').flatMap(findFaults));
  return catalogue.filter((fault) => asked.has(fault));
}

function findFaults(part: string): readonly Fault[] {
  const exact = catalogue.filter(({ name }) => name === part);
  const found = exact.length > 0 ? exact : catalogue.filter(({ name }) => name.includes(part));
  if (found.length === 0) throw new InvalidArgumentError('There is no fault with this name. --help lists all faults.');
  return found;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}
