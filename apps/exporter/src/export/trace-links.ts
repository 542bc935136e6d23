import { setTimeout as delay } from 'node:timers/promises';
import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { listTraceparents } from '@auditbox/db/export/list-traceparents.ts';

/** As many links as OpenTelemetry keeps for a span. */
const mostLinks = 128;
const waitMs = 1_000;

/**
 * The traceparents of requests that brought a batch's events. None when they cannot be had, or not in a second: an
 * export waits for no trace.
 */
export async function requestsOf(db: Database, batch: LeasedBatch): Promise<readonly string[]> {
  const enough = new AbortController();
  const found = listTraceparents(db, batch, mostLinks).catch(() => []);
  const late = delay(waitMs, [], { signal: enough.signal, ref: false }).catch(() => []);
  try {
    return await Promise.race([found, late]);
  } finally {
    enough.abort();
  }
}
