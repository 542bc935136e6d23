const count = (value: number) => value.toLocaleString('en-US');
const several = (value: number, what: string) => `${count(value)} ${what}${value === 1 ? '' : 's'}`;

/** Names of contenders and conditions in the tables. The targets find their figures by these names. */
export const names = {
  auditbox: 'auditbox',
  auditboxZstd: 'auditbox, zstd',
  twoInserts: 'Express with two INSERTs',
  twoInsertsBare: 'Express with two INSERTs, no indexes',
  pgbench: 'pgbench',
  handWritten: 'hand-written loop',
  handWrittenQuickGzip: 'hand-written loop, gzip level 3',
  pgBoss: 'pg-boss',
  graphileWorker: 'graphile-worker',
  transactionalOutbox: 'pg-transactional-outbox',
  ingest: (connections: number, eventsPerRequest: number) =>
    `${several(connections, 'connection')}, ${eventsPerRequest === 1 ? 'single events' : `batches of ${eventsPerRequest}`}`,
  drain: (delayMs: number) => `S3 answers in ${delayMs} ms`,
  lag: (eventsPerSecond: number) => `${count(eventsPerSecond)} events/s, linger 1 s`,
  exporters: (exporters: number, events: number) => `${several(exporters, 'exporter')}, ${count(events)} events`,
  backlog: (events: number) => `1 exporter, backlog of ${count(events)}`,
  s3Alone: 'S3 alone',
  webhook: 'S3 and a webhook',
  hec: 'S3 and Splunk HEC',
  destinationDrain: (concurrency: number) =>
    `the receiver answers in 10 ms, ${several(concurrency, 'request')} at once`,
  receiverRate: 'events/s at the receiver',
  destinationIngest: (destinations: number) => `${several(destinations, 'destination')} other than S3`,
  record: (events: number) => `${count(events)} events`,
  slowestPage: 'the slowest single filter, by cursor: p95 ms',
  slowestTotal: 'the slowest single filter, with total: p95 ms',
  postgresTime: 'CPU of Postgres, µs an event',
  wal: 'bytes of WAL an event',
  deadOutboxRows: 'dead outbox rows an event',
  twoFiltersTotal: 'changed_by and action, with total: p95 ms',
  reading: 'read and check an event',
  hashing: 'hash its content',
  redacting: 'look for secrets',
  exportRate: 'export, rows/s',
  exportPeak: 'peak MB of the api',
} as const;
