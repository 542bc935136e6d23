import { type Answer, type Figure, findFigure, median, ratio } from '../figures.ts';
import { names } from '../names.ts';

/** One thing that Auditbox is meant to reach. */
interface Target {
  readonly what: string;
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number };
  /** Null when it was not measured in this run. */
  readonly value: number | null;
}

/** What was to be reached, and what was. */
export function toTargets(answers: readonly Answer[]): string {
  const figures = answers.flatMap((answer) => answer.figures);
  const lines = targetsOf(figures).flatMap(({ what, wanted, value }) => {
    if (value === null) return [];
    const isReached = 'atLeast' in wanted ? value >= wanted.atLeast : value <= wanted.atMost;
    const bound = 'atLeast' in wanted ? `at least ${shown(wanted.atLeast)}` : `at most ${shown(wanted.atMost)}`;
    return [`| ${what} | ${bound} | ${shown(value)} | ${isReached ? 'reached' : 'not reached'} |`];
  });
  if (lines.length === 0) return '';
  return ['### To reach', '', '| | wanted | measured | |', '| --- | --- | --: | --- |', ...lines, ''].join('\n');
}

function targetsOf(figures: readonly Figure[]): Target[] {
  const against = (other: string, condition: string, measure: string): number | null => {
    const ours = findFigure(figures, names.auditbox, condition, measure);
    const theirs = findFigure(figures, other, condition, measure);
    return ours && theirs ? ratio(ours, theirs) : null;
  };
  const alone = (condition: string, measure: string): number | null => {
    const figure = findFigure(figures, names.auditbox, condition, measure);
    return figure ? median(figure.values) : null;
  };
  return [
    {
      what: 'single events, 128 connections: times the two-INSERT handler',
      wanted: { atLeast: 3 },
      value: against(names.twoInserts, names.ingest(128, 1), 'events/s'),
    },
    {
      what: 'batches of 200: times pgbench',
      wanted: { atLeast: 0.6 },
      value: against(names.pgbench, names.ingest(32, 200), 'events/s'),
    },
    {
      what: 'drain, S3 at 30 ms: times the hand-written loop',
      wanted: { atLeast: 2.5 },
      value: against(names.handWritten, names.drain(30), 'events/s'),
    },
    {
      what: 'drain, S3 at 30 ms: times pg-boss',
      wanted: { atLeast: 3.5 },
      value: against(names.pgBoss, names.drain(30), 'events/s'),
    },
    { what: 'drain, one exporter: events/s', wanted: { atLeast: 60_000 }, value: alone(names.drain(0), 'events/s') },
    { what: 'lag at 1,000 events/s: p99 ms', wanted: { atMost: 1_500 }, value: alone(names.lag(1_000), 'p99 ms') },
    {
      what: 'single event at a time: p50, times the two-INSERT handler',
      wanted: { atMost: 0.9 },
      value: against(names.twoInserts, names.ingest(1, 1), 'p50 ms'),
    },
    {
      what: 'backlog of 10,000,000: peak MB',
      wanted: { atMost: 300 },
      value: alone(names.backlog(10_000_000), 'peak MB'),
    },
    {
      what: 'a page of 50 of 10,000,000 events by the slowest filter, by cursor: p95 ms',
      wanted: { atMost: 20 },
      value: alone(names.record(10_000_000), names.slowestPage),
    },
    {
      what: 'the same with a total up to a million: p95 ms',
      wanted: { atMost: 150 },
      value: alone(names.record(10_000_000), names.slowestTotal),
    },
    {
      what: 'export of 10,000,000 events: rows/s',
      wanted: { atLeast: 40_000 },
      value: alone(names.record(10_000_000), names.exportRate),
    },
    {
      what: 'its peak MB',
      wanted: { atMost: 250 },
      value: alone(names.record(10_000_000), names.exportPeak),
    },
  ];
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
