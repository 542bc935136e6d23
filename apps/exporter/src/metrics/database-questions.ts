import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { countQuarantinedRows } from '@auditbox/db/observe/backlog.ts';
import { horizonHeldS } from '@auditbox/db/observe/holders.ts';
import type { Question } from '@auditbox/process/metrics/database-gauges.ts';
import { Gauge } from 'prom-client';

/** How far the two clocks are apart. Only the database's decides anything; signatures of requests to S3 need ours. */
export function clockQuestion(db: Database): Question {
  const skew = new Gauge({
    name: 'auditbox_database_clock_skew_seconds',
    help: "The database's clock less this machine's, good to half the time that asking takes.",
    registers: [],
  });
  return {
    gauges: [skew],
    async ask() {
      const before = Date.now();
      const theirs = Date.parse(await databaseTime(db));
      skew.set((theirs - (before + Date.now()) / 2) / 1000);
    },
  };
}

/** Rows that wait for a person. */
export function quarantineQuestion(db: Database): Question {
  const rows = new Gauge({
    name: 'auditbox_outbox_quarantined_rows',
    help: 'Quarantined rows, up to 100000. Of the whole database, the same from every exporter.',
    registers: [],
  });
  return { gauges: [rows], ask: async () => rows.set(await countQuarantinedRows(db)) };
}

/** What keeps Postgres from tidying up behind the sealer. */
export function horizonQuestion(db: Database): Question {
  const held = new Gauge({
    name: 'auditbox_database_horizon_held_seconds',
    help: "Age of the oldest transaction that keeps Postgres from removing index entries of sealed rows. Sees other roles' sessions only with pg_read_all_stats.",
    registers: [],
  });
  return { gauges: [held], ask: async () => held.set(await horizonHeldS(db)) };
}
