import { catalogue } from './faults/catalogue.ts';
import { addUp, type FaultResult } from './run-faults.ts';

/** One line of the table. */
interface Line {
  readonly fault: string;
  readonly cells: readonly string[];
}

const heads = [
  'fault',
  'rounds',
  'kills',
  'crashes',
  'events',
  'lost',
  'doubled',
  'longest time without a 2xx',
  'longest time to the next batch',
  'longest recovery',
];

/**
 * The results as a Markdown table with one line per fault and a line with the sums. `crashes` counts processes that ended
 * on their own. The recovery time is from the end of the fault, such as a kill, until all acknowledged events are in the bucket.
 */
export function toTable(results: readonly FaultResult[]): string {
  const faults = catalogue.filter((fault) => results.some((result) => result.fault === fault));
  const lines = faults.map((fault) =>
    toLine(
      fault.about,
      results.filter((result) => result.fault === fault),
    ),
  );
  lines.push(toLine('**all**', results));
  const rows = [
    heads,
    heads.map((_, index) => (index === 0 ? '---' : '--:')),
    ...lines.map(({ fault, cells }) => [fault, ...cells]),
  ];
  return rows.map((row) => `| ${row.join(' | ')} |\n`).join('');
}

function toLine(fault: string, results: readonly FaultResult[]): Line {
  const [only] = results;
  if (only?.notPlayed) return { fault, cells: [`not played: ${only.notPlayed}`, ...Array(heads.length - 2).fill('')] };
  const rounds = results.flatMap((result) => result.rounds);
  const sum = (of: (round: (typeof rounds)[number]) => number) => rounds.reduce((total, round) => total + of(round), 0);
  const most = (of: (round: (typeof rounds)[number]) => number) => seconds(Math.max(0, ...rounds.map(of)));
  const crashes = [...addUp(...results.map((result) => result.crashes)).values()].reduce(
    (total, times) => total + times,
    0,
  );
  const kills = results.reduce((total, result) => total + result.kills, 0);
  const counts = [
    rounds.length,
    kills,
    crashes,
    sum(({ events }) => events),
    sum(({ lost }) => lost),
    sum(({ doubled }) => doubled),
  ];
  return {
    fault,
    cells: [
      ...counts.map((count) => count.toLocaleString('en')),
      most(({ silenceMs }) => silenceMs),
      most(({ nextDoneMs }) => nextDoneMs ?? 0),
      most(({ allDoneMs }) => allDoneMs),
    ],
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
