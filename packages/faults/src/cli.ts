import { randomInt } from 'node:crypto';
import { Command, InvalidArgumentError } from 'commander';
import { catalogue } from './faults/catalogue.ts';
import type { Fault } from './faults/fault.ts';
import type { RunPlan } from './run-faults.ts';

/** What `npm run test:faults` was asked to do. */
export type FaultsCommand = Omit<RunPlan, 'store' | 'nodeVariables'>;

interface Flags {
  readonly rounds: number;
  readonly round?: number;
  readonly seed: number;
  readonly only?: readonly Fault[];
  readonly lanes: number;
  readonly hold: number;
  readonly defaultSettings?: true;
}

/** Reads the command line; on `--help` or an error commander prints and ends the process. */
export function parseCommand(argv: readonly string[]): FaultsCommand {
  const cli = new Command('npm run test:faults --')
    .description('Kills, stops, cuts off and lies to the real processes, and shows that nothing is lost or doubled.')
    .option('--rounds <n>', 'rounds of each fault', wholeNumber(1, 100_000), 1)
    .option('--round <n>', 'play only this round of each, counted from 0', wholeNumber(0, 100_000))
    .option('--seed <s>', 'draw the same again', wholeNumber(0, 2 ** 31 - 1), randomInt(2 ** 31 - 1))
    .option('--only <name>', 'only this fault, or those whose name contains this', faultsNamed)
    .option('--lanes <n>', 'scenes at the same time, each with its own Postgres', wholeNumber(1, 64), 6)
    .option(
      '--hold <seconds>',
      'how long faults last that do so, such as a snapshot held open',
      wholeNumber(1, 3_600),
      2,
    )
    .option('--default-settings', 'exporters with all defaults: each round takes up to a minute')
    .addHelpText('after', `\nFaults:\n${catalogue.map(({ name, about }) => `  ${name.padEnd(32)}${about}`).join('\n')}`)
    .showHelpAfterError()
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const { rounds, round: onlyRound = null, seed, only = catalogue, lanes, hold, defaultSettings } = cli.opts<Flags>();
  return {
    faults: only,
    rounds,
    onlyRound,
    seed,
    lanes,
    holdMs: hold * 1_000,
    pace: defaultSettings ? 'default' : 'quick',
  };
}

function faultsNamed(part: string): readonly Fault[] {
  const exact = catalogue.filter(({ name }) => name === part);
  const found = exact.length > 0 ? exact : catalogue.filter(({ name }) => name.includes(part));
  if (found.length === 0) throw new InvalidArgumentError('There is no fault of that name; --help lists them.');
  return found;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It takes a whole number from ${least} to ${most}.`);
  };
}
