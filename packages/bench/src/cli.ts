import { Command, InvalidArgumentError } from 'commander';

/** All benchmarks, in the order in which they run. */
const benchmarks = [
  'ingest',
  'drain',
  'lag',
  'scale',
  'poll',
  'query',
  'capture',
  'redact',
  'destinations',
  'log',
  'verify',
  'archive',
  'size',
] as const;
export type BenchmarkName = (typeof benchmarks)[number];

/** The command line of `npm run bench`. */
export interface BenchCommand {
  readonly only: readonly BenchmarkName[];
  readonly quick: boolean;
  /** How often each contender is measured. */
  readonly turns: number;
  /** Folder for the CPU profiles of our processes; null when none are written. */
  readonly profileFolder: string | null;
  readonly outputFolder: string | null;
  /** Folder with `supa_audit/` and `audit-trigger/`, which `capture` is compared with; null when it is measured alone. */
  readonly capturePeersFolder: string | null;
  /** Events of the larger record of `size`; null for the default. */
  readonly rows: number | null;
}

interface Flags {
  readonly only?: readonly BenchmarkName[];
  readonly quick?: true;
  readonly turns: number;
  readonly profile?: string;
  readonly output?: string;
  readonly capturePeers?: string;
  readonly rows?: number;
}

/** Reads the command line. On `--help` or an error, commander prints a text and ends the process. */
export function parseCommand(argv: readonly string[]): BenchCommand {
  const cli = new Command('npm run bench --')
    .description('Measures Auditbox and its alternatives in one run on one machine.')
    .option('--only <benchmarks>', `some of ${benchmarks.join(',')}`, parseBenchmarks)
    .option('--quick', 'one short turn of each, as a check that the benchmark works; its figures mean little')
    .option('--turns <n>', 'how often each contender is measured', parseTurns, 3)
    .option('--output <folder>', 'write the tables, the figures as JSON and the plots into this folder')
    .option('--profile <folder>', 'let our processes write CPU profiles (Node --cpu-prof) into this folder')
    .option(
      '--capture-peers <folder>',
      'compare `capture` with the SQL of supa_audit/ and audit-trigger/ in this folder',
    )
    .option('--rows <n>', 'events of the larger record of `size`; the smaller one has a million, or a tenth', parseRows)
    .showHelpAfterError()
    .allowExcessArguments(false)
    .parse([...argv], { from: 'user' });
  const {
    only = benchmarks,
    quick = false,
    turns,
    profile = null,
    output = null,
    capturePeers = null,
    rows = null,
  } = cli.opts<Flags>();
  return {
    only,
    quick,
    turns: quick ? 1 : turns,
    profileFolder: profile,
    outputFolder: output,
    capturePeersFolder: capturePeers,
    rows,
  };
}

function parseBenchmarks(text: string): readonly BenchmarkName[] {
  const named = text.split(',');
  const unknown = named.find((name) => !benchmarks.some((benchmark) => benchmark === name));
  if (unknown !== undefined) throw new InvalidArgumentError(`There is no benchmark "${unknown}".`);
  return benchmarks.filter((benchmark) => named.includes(benchmark));
}

function parseTurns(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 to 99.');
}

function parseRows(text: string): number {
  const rows = Number(text);
  if (/^\d+$/.test(text) && rows >= 100_000 && rows <= 1_000_000_000) return rows;
  throw new InvalidArgumentError('It must be a whole number from 100000 to 1000000000.');
}
