import { releaseDelivery } from '@auditbox/db/export/release-delivery.ts';
import { readExportActivity } from '@auditbox/db/observe/export-activity.ts';
import { openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { expect, test } from 'vitest';

test('the attempt that runs is not one that failed, so a destination that refuses everything stays visible while it is probed', async () => {
  const outbox = await openOutbox();
  try {
    await outbox.insert(1);
    await outbox.sealAll();
    const retry = async () => (await readExportActivity(outbox.db, 's3')).retry;
    const refused = { delayMs: 0, countsAsAttempt: false, error: 'AccessDenied' };

    await releaseDelivery(outbox.db, await outbox.lease(), refused);
    expect(await retry()).toMatchObject({ attempts: 0, error: 'AccessDenied' });
    const probe = await outbox.lease();
    expect(await retry()).toMatchObject({ attempts: 0, error: 'AccessDenied' });
    await releaseDelivery(outbox.db, probe, { delayMs: 0, countsAsAttempt: true, error: 'SlowDown' });
    expect(await retry()).toMatchObject({ attempts: 1, error: 'SlowDown' });
    await outbox.lease();
    expect(await retry()).toMatchObject({ attempts: 1, error: 'SlowDown' });
  } finally {
    await outbox.close();
  }
});
