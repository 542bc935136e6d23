import { leaseDelivery } from '@auditbox/db/export/lease-delivery.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { expect, test } from 'vitest';
import { findTraceLinks } from '../src/export/trace-links.ts';

test('an upload does not wait longer than a second for its trace links', async () => {
  const db = await openTestDatabase();
  await db.store(someEvents(1));
  await sealBatches(db, { grain: 'hour', byTenant: false, maxRows: 10, maxBytes: 10_000, lingerMs: 0, maxBatches: 1 });
  const lease = { destination: 's3', leaseMs: 60_000, batchIds: null };
  const delivery = (await leaseDelivery(db, lease)) ?? expect.fail('no delivery');
  const unlock = await lockAuditLog(db);
  expect(await findTraceLinks(db, delivery)).toEqual([]);
  await unlock();
  await db.close(1_000);
});
