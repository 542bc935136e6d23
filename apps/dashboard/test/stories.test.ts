import { addDestination } from '@auditbox/db/export/destinations.ts';
import { leaseDelivery } from '@auditbox/db/export/lease-delivery.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { releaseDelivery } from '@auditbox/db/export/release-delivery.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { limits } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, expect, test } from 'vitest';
import { createPageFixture } from './page-fixture.ts';
import { startThreadTime } from './thread-time.ts';

/* What people open the page for, from the question to the answer. */

const fixture = await createPageFixture();
if (fixture === null) process.stderr.write('\nSKIPPED: the stories of the page. They need chromium.\n\n');
afterAll(() => fixture?.close());

function story(name: string, run: (page: NonNullable<typeof fixture>) => Promise<void>): void {
  test.skipIf(fixture === null)(`${name} (needs chromium)`, async () => {
    if (fixture !== null) await run(fixture);
  });
}

/** Seals all that waits, and gives the only batch to `use`. */
async function leaseFor(destination: string) {
  const db = fixture?.api.db;
  if (!db) throw new Error('There is no system.');
  await eventually(async () => {
    await sealBatches(db, limits);
    const [open] = await db.sql`select from auditbox.delivery where destination = ${destination} and state = 'sealed'`;
    expect(open).toBeDefined();
  });
  const delivery = await leaseDelivery(db, { destination, leaseMs: 60_000, batchIds: null });
  if (!delivery) throw new Error('There is no batch.');
  return delivery;
}

/** Noon of the last Tuesday before today, in the browser's zone. */
function lastTuesday(): Date {
  const day = new Date();
  do day.setDate(day.getDate() - 1);
  while (day.getDay() !== 2);
  day.setHours(12, 0, 0, 0);
  return day;
}

story('who changed this key last Tuesday, and is it safely archived?', async ({ api, open }) => {
  const happened = { table_name: 'keys', object_id: 'prod-42' };
  await api.request('/audit', {
    body: anEvent({ ...happened, changed_by: 'ana', updated_at: lastTuesday().toISOString() }),
  });
  const delivery = await leaseFor('s3');
  const object = { key: 'dt=tuesday', sha256: 'a'.repeat(64), ndjsonBytes: 10, objectBytes: 10 };
  await recordRender(api.db, [{ delivery, rendered: { ...object, linesRoot: null, objectSha256: null } }], 60_000);
  await markDone(api.db, [delivery]);
  await api.request('/audit/batch', { body: someEvents(60, { ...happened, changed_by: 'bo' }) });

  const page = await open('/?range=24h');
  await page.locator('.event-row').first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('prod-42');
  await page.keyboard.press('Enter');
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press('t');
  await page.getByLabel('Type a time').fill('last tuesday');
  await page.keyboard.press('Enter');
  await expect.poll(() => page.locator('.event-row').count()).toBe(1);
  const row = await page.locator('.event-row').textContent();
  expect(row).toContain('ana');
  await expect.poll(() => page.locator('.event-row').textContent()).toContain('archived');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.event-panel').getByRole('heading', { name: 'Archived', exact: true }).waitFor();
});

story('a destination that dies while the page is open is named without a reload', async ({ api, open }) => {
  await addDestination(api.db, 'soc');
  const page = await open('/export');
  await page.getByRole('heading', { name: 'soc' }).waitFor();
  await api.request('/audit', { body: anEvent() });
  const delivery = await leaseFor('soc');
  const refused = { delayMs: 60_000, countsAsAttempt: false, error: 'Nobody answers at soc.' };
  await releaseDelivery(api.db, delivery, refused);
  await page.getByText('Nobody answers at soc.').first().waitFor();
});

story(
  'a change of thousands of fields, some of them deep, opens at once and is shown in parts',
  async ({ api, open }) => {
    const state = (n: number) => ({
      ...Object.fromEntries(Array.from({ length: 4_000 }, (_, field) => [`field_${field}`, field * n])),
      deep: JSON.parse(`${'{"a":'.repeat(60)}${n}${'}'.repeat(60)}`),
      text: 'x'.repeat(200_000),
    });
    const event = anEvent({ before_value: state(1), updated_values: state(2) });
    await api.request('/audit', { body: event });
    const page = await open('/');
    const readThreadMs = await startThreadTime(page);
    await open(`/events/${event.id}`);
    await page.locator('h1').waitFor();
    // `field_0` is 0 in both.
    await page.getByText('4,000 places changed.').waitFor();
    expect(await readThreadMs()).toBeLessThan(10_000);
    expect(await page.locator('.diff-name').count()).toBeLessThan(1_000);
    await page.getByRole('button', { name: 'Show all of them' }).click();
    await expect.poll(() => page.locator('.diff-name').count()).toBeGreaterThan(4_000);
  },
);
