import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { listExpiredMonths } from '@auditbox/db/months/expired-months.ts';
import { horizonHeldS } from '@auditbox/db/observe/holders.ts';
import type { Question } from '@auditbox/process/metrics/database-gauges.ts';
import { Gauge } from 'prom-client';

/** Only the database's clock decides anything in Auditbox, but signatures of requests to S3 need this machine's. */
export function measureClockSkew(db: Database): Question {
  const skew = new Gauge({
    name: 'auditbox_database_clock_skew_seconds',
    help: "The database's clock minus this machine's, accurate to half the time of the query.",
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

/** While it is held, gaps of the outbox cannot be closed, and dead rows of deliveries make polls slower. */
export function measureHorizon(db: Database): Question {
  const held = new Gauge({
    name: 'auditbox_database_horizon_held_seconds',
    help: "Age of the oldest transaction that prevents gaps of the outbox from being closed, and Postgres from removing dead rows. Includes other roles' sessions only with pg_read_all_stats.",
    registers: [],
  });
  return { gauges: [held], ask: async () => held.set(await horizonHeldS(db)) };
}

/** Retention runs as its own process, so an exporter with the same setting is who notices that it does not. */
export function measureRetention(db: Database, retentionDays: number | null): Question {
  const overdue = new Gauge({
    name: 'auditbox_retention_overdue_months',
    help: 'Months that are past AUDIT_RETENTION_DAYS and still in the database; 0 while the exporter has no such setting.',
    registers: [],
  });
  return {
    gauges: [overdue],
    ask: async () => overdue.set(retentionDays === null ? 0 : (await listExpiredMonths(db, retentionDays)).length),
  };
}
