import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { within } from '@auditbox/core/within.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { listTraceparents } from '@auditbox/db/export/list-traceparents.ts';

/** OpenTelemetry keeps no more links for a span. */
const mostLinks = 128;
const waitMs = 1_000;

/**
 * The traceparents of the requests that wrote a batch's events. None when they cannot be read within a second, because
 * an export does not wait for a trace.
 */
export async function findTraceLinks(db: Database, delivery: LeasedDelivery): Promise<readonly string[]> {
  const links = listTraceparents(db, delivery, mostLinks).catch(() => []);
  return within(waitMs, links, () => []);
}
