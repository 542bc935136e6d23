import { afterAll, expect, test } from 'vitest';
import { createPageFixture } from './page-fixture.ts';

/* The page never turns white: an odd address, and an odd answer of something between it and the api, are shown as errors. It names commands as its api's container has them. */

const fixture = await createPageFixture({ AUDITBOX_COMMAND: 'auditbox' });
if (fixture === null) process.stderr.write('\nSKIPPED: odd answers on the page. They need chromium.\n\n');
afterAll(() => fixture?.close());

test
  .skipIf(fixture === null)
  .each([
    'start_date=foo',
    'end_date=2026-13-45',
    'start_date=a&end_date=b',
    'start_date=2026-07-03&end_date=%00',
    'start_date=999999-01-01',
    'start_date=2026-07-03T00:00:00Z&end_date=2026-07-01T00:00:00Z',
  ])('the log with %s in its address is there, and its range can be changed (needs chromium)', async (search) => {
  const page = await fixture?.open(`/?${search}`);
  if (!page) return;
  await page.locator('.shell').waitFor();
  await page.getByRole('button', { name: /^Time range/ }).click();
  await page.getByLabel('Type a time').fill('1h');
  await page.getByLabel('Type a time').press('Enter');
  await expect.poll(() => new URL(page.url()).search).toBe('?range=1h');
});

test
  .skipIf(fixture === null)
  .each([
    'null',
    '"busy"',
    '5',
    '{"title":{"a":1},"detail":["b"],"request_id":7,"errors":{"c":1}}',
    '{"errors":[null,{"path":1},"text"]}',
    '<html>502</html>',
  ])('an answer 503 with the body %s is shown as an error that can be tried again (needs chromium)', async (body) => {
  const page = await fixture?.open('/');
  if (!page) return;
  await page.route(/\/audit(\?|\/stats)/, (route) =>
    route.fulfill({ status: 503, contentType: 'application/json', headers: { 'retry-after': 'soon' }, body }),
  );
  await page.reload();
  await page.getByRole('button', { name: 'Try again' }).first().waitFor();
  await page.unroute(/\/audit(\?|\/stats)/);
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await expect.poll(() => page.getByRole('button', { name: 'Try again' }).count()).toBe(0);
});

test.skipIf(fixture === null)(
  'the page of an api in a container names the commands of the container (needs chromium)',
  async () => {
    const page = await fixture?.open('/export');
    const text = () => page?.locator('main').textContent();
    await expect.poll(text).toContain('Run auditbox exporter --verify on a schedule.');
    expect(await text()).not.toContain('npm');
  },
);
