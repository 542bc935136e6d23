import { type BenchmarkResult, type Figure, findFigure, median, ratio } from '../figures.ts';
import { names } from '../names.ts';

/** A figure that Auditbox should reach. */
interface Target {
  readonly name: string;
  readonly wanted: { readonly atLeast: number } | { readonly atMost: number };
  /** Null when this run did not measure it. */
  readonly value: number | null;
}

/** The targets and their measured values as a Markdown table. */
export function formatTargets(results: readonly BenchmarkResult[]): string {
  const figures = results.flatMap((result) => result.figures);
  const lines = listTargets(figures).flatMap(({ name, wanted, value }) => {
    if (value === null) return [];
    const isReached = 'atLeast' in wanted ? value >= wanted.atLeast : value <= wanted.atMost;
    const bound =
      'atLeast' in wanted ? `at least ${formatValue(wanted.atLeast)}` : `at most ${formatValue(wanted.atMost)}`;
    return [`| ${name} | ${bound} | ${formatValue(value)} | ${isReached ? 'reached' : 'not reached'} |`];
  });
  if (lines.length === 0) return '';
  return ['### Targets', '', '| | target | measured | |', '| --- | --- | --: | --- |', ...lines, ''].join('\n');
}

function listTargets(figures: readonly Figure[]): Target[] {
  const against = (other: string, condition: string, measure: string): number | null => {
    const ours = findFigure(figures, names.auditbox, condition, measure);
    const theirs = findFigure(figures, other, condition, measure);
    return ours && theirs ? ratio(ours, theirs) : null;
  };
  const times = (one: string, other: string, condition: string): number | null => {
    const [ours, theirs] = [one, other].map((name) => findFigure(figures, name, condition, 'events/s'));
    return ours && theirs ? ratio(ours, theirs) : null;
  };
  const of = (contender: string, condition: string, measure: string): number | null => {
    const figure = findFigure(figures, contender, condition, measure);
    return figure ? median(figure.values) : null;
  };
  const alone = (condition: string, measure: string) => of(names.auditbox, condition, measure);
  const share = (contender: string, other: string, measure: string): number | null => {
    const one = figures.find((figure) => figure.contender === contender && figure.measure === measure);
    const two = figures.find((figure) => figure.contender === other && figure.measure === measure);
    return one && two ? ratio(one, two) : null;
  };
  /** How much of the api's processor time goes to redaction, in percent. */
  const redaction = (condition: string): number | null => {
    const [on, off] = [names.auditbox, names.auditboxNoRedaction].map((name) =>
      findFigure(figures, name, condition, names.apiTime),
    );
    return on && off ? (1 - ratio(off, on)) * 100 : null;
  };
  return [
    {
      name: 'redaction: % of the processor time of single events',
      wanted: { atMost: 6 },
      value: redaction(names.ingest(32, 1)),
    },
    {
      name: 'redaction: % of the processor time of batches of 200',
      wanted: { atMost: 15 },
      value: redaction(names.ingest(8, 200)),
    },
    {
      name: 'single events, 128 connections: times the two-INSERT handler',
      wanted: { atLeast: 4 },
      value: against(names.twoInserts, names.ingest(128, 1), 'events/s'),
    },
    {
      name: 'batches of 200: times pgbench',
      wanted: { atLeast: 0.75 },
      value: against(names.pgbench, names.ingest(32, 200), 'events/s'),
    },
    {
      name: 'single event at a time: p50, times the two-INSERT handler',
      wanted: { atMost: 0.9 },
      value: against(names.twoInserts, names.ingest(1, 1), 'p50 ms'),
    },
    {
      name: 'drain, S3 at 30 ms: times the hand-written loop with the better gzip level',
      wanted: { atLeast: 2.5 },
      value: lesser(
        against(names.handWritten, names.drain(30), 'events/s'),
        against(names.handWrittenQuickGzip, names.drain(30), 'events/s'),
      ),
    },
    {
      name: 'drain, S3 at 30 ms: times pg-boss',
      wanted: { atLeast: 3.5 },
      value: against(names.pgBoss, names.drain(30), 'events/s'),
    },
    {
      name: 'drain, one exporter, gzip: events/s',
      wanted: { atLeast: 85_000 },
      value: alone(names.drain(0), 'events/s'),
    },
    {
      name: 'drain: µs of Postgres an event',
      wanted: { atMost: 10 },
      value: alone(names.drain(0), names.postgresTime),
    },
    { name: 'drain: bytes of WAL an event', wanted: { atMost: 60 }, value: alone(names.drain(0), names.wal) },
    {
      name: 'drain: dead outbox rows an event',
      wanted: { atMost: 0 },
      value: alone(names.drain(0), names.deadOutboxRows),
    },
    { name: 'lag at 1,000 events/s: p99 ms', wanted: { atMost: 1_100 }, value: alone(names.lag(1_000), 'p99 ms') },
    {
      name: 'a webhook that answers in 10 ms, one exporter: events/s',
      wanted: { atLeast: 50_000 },
      value: of(names.webhook, names.destinationDrain(4), names.receiverRate),
    },
    {
      name: 'Splunk HEC that answers in 10 ms, one exporter: events/s',
      wanted: { atLeast: 50_000 },
      value: of(names.hec, names.destinationDrain(4), names.receiverRate),
    },
    {
      name: 'lag to a webhook at 1,000 events/s, linger 1 s: p99 ms',
      wanted: { atMost: 1_300 },
      value: of(names.webhook, names.lag(1_000), 'p99 ms'),
    },
    {
      name: 'ingest with five destinations: times ingest with none',
      wanted: { atLeast: 0.97 },
      value: share(names.destinationIngest(5), names.destinationIngest(0), 'events/s'),
    },
    {
      name: 'backlog of 10,000,000: peak MB',
      wanted: { atMost: 220 },
      value: alone(names.backlog(10_000_000), 'peak MB'),
    },
    {
      name: 'a page of 50 of 10,000,000 events by the slowest filter, by cursor: p95 ms',
      wanted: { atMost: 20 },
      value: alone(names.record(10_000_000), names.slowestPage),
    },
    {
      name: 'the same page with a total up to a million: p95 ms',
      wanted: { atMost: 150 },
      value: alone(names.record(10_000_000), names.slowestTotal),
    },
    {
      name: 'two filters together, with total: p95 ms',
      wanted: { atMost: 300 },
      value: alone(names.record(10_000_000), names.twoFiltersTotal),
    },
    {
      name: 'log: µs of Node an event, for the tree over lines',
      wanted: { atMost: 4 },
      value: alone(names.tree, 'µs an event'),
    },
    {
      name: 'log: µs of Node a batch',
      wanted: { atMost: 100 },
      value: alone(names.batches, 'µs a batch'),
    },
    {
      name: 'drain with the log: times the drain without it',
      wanted: { atLeast: 0.85 },
      value: times(names.auditboxLog, names.auditbox, names.logDrain),
    },
    ...[names.bulkInsert(50_000), names.bulkUpdate(50_000)].map(
      (condition): Target => ({
        name: `captured table, ${condition}: µs a row`,
        wanted: { atMost: 45 },
        value: alone(condition, names.rowTime),
      }),
    ),
    ...(['off', 'on'] as const).map(
      (synchronous): Target => ({
        name: `captured table, ${names.singleUpdates(synchronous)}: times the better of supa_audit and audit-trigger`,
        wanted: { atLeast: 0.9 },
        value: lesser(
          against(names.supaAudit, names.singleUpdates(synchronous), names.updateRate),
          against(names.auditTrigger, names.singleUpdates(synchronous), names.updateRate),
        ),
      }),
    ),
    ...[10_000_000, 200_000].flatMap((events): Target[] => [
      ...[names.archive(events), names.archiveEvents(events)].flatMap((condition): Target[] => [
        { name: `verify of ${condition}: events/s`, wanted: { atLeast: 150_000 }, value: alone(condition, 'events/s') },
        { name: `verify of ${condition}: peak MB`, wanted: { atMost: 200 }, value: alone(condition, 'peak MB') },
      ]),
      {
        name: `verify of ${events.toLocaleString('en-US')} events, nothing new: s`,
        wanted: { atMost: 1 },
        value: alone(names.archiveAgain(events), 's'),
      },
    ]),
    ...sizeTargets(alone),
    {
      name: 'export of 10,000,000 events: rows/s',
      wanted: { atLeast: 80_000 },
      value: alone(names.record(10_000_000), names.exportRate),
    },
    {
      name: 'export of 10,000,000 events: peak MB of the api',
      wanted: { atMost: 200 },
      value: alone(names.record(10_000_000), names.exportPeak),
    },
  ];
}

/** The larger record against the smaller. */
function sizeTargets(alone: (condition: string, measure: string) => number | null): Target[] {
  const { size } = names;
  const target = (name: string, measure: string, wanted: Target['wanted']): Target => ({
    name: `many events against few, ${name}: times`,
    wanted,
    value: alone(names.largeToSmall, measure),
  });
  return [
    target('a page by the slowest filter, by cursor: p95', names.slowestPage, { atMost: 1.5 }),
    target('pages that follow the cursor: p95', size.walk, { atMost: 1.5 }),
    target('seal', size.seal, { atLeast: 0.8 }),
    target('drain', size.drain, { atLeast: 0.8 }),
    target('drain of the backlog', size.backlog, { atLeast: 0.8 }),
    target('peak memory of the exporter', size.exporterPeak, { atMost: 1.25 }),
    target('peak memory of the api', size.apiPeak, { atMost: 1.25 }),
  ];
}

function lesser(one: number | null, other: number | null): number | null {
  return one === null || other === null ? one : Math.min(one, other);
}

function formatValue(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
