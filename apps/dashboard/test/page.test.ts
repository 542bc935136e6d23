import { randomUUID } from 'node:crypto';
import { addDestination, removeDestination } from '@auditbox/db/export/destinations.ts';
import { failDelivery } from '@auditbox/db/export/fail-delivery.ts';
import { leaseDelivery } from '@auditbox/db/export/lease-delivery.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { releaseDelivery } from '@auditbox/db/export/release-delivery.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { limits } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { expectAccessible } from './accessible.ts';
import { createPageFixture } from './page-fixture.ts';

const fixture = await createPageFixture();
if (fixture === null) process.stderr.write('\nSKIPPED: the tests of the page. They need chromium.\n\n');
afterAll(() => fixture?.close());

const minutesAgo = (n: number) => new Date(Date.now() - n * 60_000).toISOString();
const budget = anEvent({
  changed_by: 'ana',
  object_id: 'prod-42',
  updated_at: minutesAgo(30),
  before_value: { key_alias: 'prod key', max_budget: 10, models: ['a', 'b'] },
  updated_values: { max_budget: 25, models: ['a', 'c', 'b'] },
  context: { ip: '192.0.2.7', request_id: 'r-1' },
});
const others = [
  ...someEvents(120, { changed_by: 'bo', action: 'created', before_value: null, updated_at: minutesAgo(90) }),
  anEvent({
    changed_by: 'ana',
    action: 'deleted',
    object_id: 'gone',
    updated_values: null,
    updated_at: minutesAgo(20),
  }),
];
const hugeNumber = anEvent({
  object_id: 'digits',
  updated_at: minutesAgo(40),
  before_value: null,
});

function pageTest(name: string, run: (page: NonNullable<typeof fixture>) => Promise<void>): void {
  test.skipIf(fixture === null)(`${name} (needs chromium)`, async () => {
    if (fixture !== null) await run(fixture);
  });
}

const rows = (page: Page) => page.locator('.event-row');

pageTest('the log shows what was recorded, newest first, and who changed what', async ({ api, open }) => {
  await api.request('/audit/batch', { body: [...others, budget] });
  const line = JSON.stringify({ ...hugeNumber, updated_values: null }).replace(
    '"updated_values":null',
    '"updated_values":{"spend":12345678901234567890.12345678901234567890}',
  );
  await api.request('/audit', { body: line });
  const page = await open('/');
  await rows(page).first().waitFor();
  await expect.poll(() => rows(page).first().textContent()).toContain('deleted');
  const row = rows(page).filter({ hasText: 'prod key' });
  await expect.poll(() => row.textContent()).toContain('max_budget10→25');
  expect(await row.textContent()).toContain('ana');
  // The total comes after the rows.
  await expect.poll(() => page.locator('.log-foot').textContent()).toContain('of 123 events');
});

pageTest('digits are shown as they were recorded', async ({ open }) => {
  const page = await open(`/events/${hugeNumber.id}`);
  await page.locator('.diff').waitFor();
  expect(await page.locator('.diff').textContent()).toContain('12345678901234567890.12345678901234567890');
  expect(await page.locator('pre').first().textContent()).toContain('12345678901234567890.12345678901234567890');
});

pageTest('a patch is not shown as removals, and an element that moved on is not shown as changed', async ({ open }) => {
  const page = await open(`/events/${budget.id}`);
  await page.locator('.diff').waitFor();
  expect(await page.locator('.diff del').allTextContents()).toEqual(['was 10']);
  expect(await page.locator('.diff ins').allTextContents()).toEqual(['is now 25', 'added "c"']);
  await page.getByText('Show 3 unchanged fields').click();
  expect(await page.locator('.diff-line.unnamed').textContent()).toContain('not part of this request');
  await page.getByLabel('Read the new value as the full state').check();
  expect(await page.locator('.diff del').allTextContents()).toContain('removed "prod key"');
});

pageTest('a secret that was redacted is marked as such', async ({ api, open }) => {
  const event = anEvent({ updated_at: minutesAgo(50), before_value: null, updated_values: { api_key: 'a secret' } });
  await api.request('/audit', { body: event });
  const page = await open(`/events/${event.id}`);
  await page.locator('.diff').waitFor();
  expect(await page.locator('.diff').textContent()).toMatch(/\[redacted:api-key\].*redacted before it was stored/);
});

pageTest('a link restores the view, and back and forward walk through it', async ({ open }) => {
  const page = await open('/?changed_by=ana&range=24h');
  await rows(page).first().waitFor();
  expect(await rows(page).count()).toBe(2);
  await rows(page).filter({ hasText: 'deleted' }).locator('.cell-action button').click();
  await expect.poll(() => rows(page).count()).toBe(1);
  expect(new URL(page.url()).search).toBe('?changed_by=ana&range=24h&action=deleted');
  await page.getByRole('button', { name: 'Remove filter actor is ana' }).click();
  await expect.poll(() => page.locator('.chip').count()).toBe(1);
  await page.goBack();
  await page.goBack();
  await expect.poll(() => rows(page).count()).toBe(2);
  await page.goForward();
  await expect.poll(() => rows(page).count()).toBe(1);
});

pageTest('a parameter that the api does not know is shown, not ignored', async ({ open }) => {
  const page = await open('/?colour=red');
  expect(await page.locator('.chip.unknown').textContent()).toContain('colour=red');
});

pageTest('new events do not move what is being read', async ({ api, open }) => {
  const page = await open('/?range=24h');
  await rows(page).first().waitFor();
  await page.locator('.table-scroll').evaluate((element) => element.scrollTo({ top: 900 }));
  await page.waitForFunction(() => document.querySelector('.live-pill')?.textContent?.includes('Held'));
  const before = await rows(page).evaluateAll((found) => found.map((row) => row.getBoundingClientRect().top));
  const top = await page.locator('.table-scroll').evaluate((element) => element.scrollTop);
  await api.request('/audit', { body: anEvent({ id: randomUUID(), changed_by: 'newcomer' }) });
  await page.getByRole('button', { name: '1 new' }).waitFor();
  expect(await page.locator('.table-scroll').evaluate((element) => element.scrollTop)).toBe(top);
  expect(await rows(page).evaluateAll((found) => found.map((row) => row.getBoundingClientRect().top))).toEqual(before);
  await page.getByRole('button', { name: '1 new' }).click();
  await expect.poll(() => rows(page).first().textContent()).toContain('newcomer');
});

pageTest('an event that is recorded late appears where it happened, not among the new ones', async ({ api, open }) => {
  const page = await open('/?range=24h&table_name=teams');
  await rows(page).first().waitFor();
  await api.request('/audit', { body: anEvent({ changed_by: 'latecomer', updated_at: minutesAgo(600) }) });
  await api.request('/audit', { body: anEvent({ changed_by: 'punctual' }) });
  await expect.poll(() => rows(page).first().textContent()).toContain('punctual');
  await page.locator('.table-scroll').evaluate((element) => element.scrollTo({ top: element.scrollHeight }));
  await page.waitForFunction(() => document.querySelector('.log-foot')?.textContent?.startsWith('127 of 127'));
  await page.locator('.table-scroll').evaluate((element) => element.scrollTo({ top: element.scrollHeight }));
  await expect.poll(() => rows(page).last().textContent()).toContain('latecomer');
});

pageTest("an object's page shows who changed one field, newest first", async ({ api, open }) => {
  const change = { table_name: 'keys', object_id: 'a/b 100%' };
  const states = [{ alias: 'x', rpm: 1 }, { rpm: 2 }, { alias: 'y' }, { rpm: 3 }];
  let state: Record<string, unknown> | null = null;
  for (const [n, updated_values] of states.entries()) {
    const written = { changed_by: `actor-${n}`, updated_at: minutesAgo(80 - n) };
    const action = n === 0 ? 'created' : 'updated';
    await api.request('/audit', {
      body: anEvent({ ...change, ...written, action, before_value: state, updated_values }),
    });
    state = Object.assign({}, state, updated_values);
  }
  const page = await open(`/objects/keys/${encodeURIComponent(change.object_id)}`);
  await expect.poll(() => page.locator('.step').count()).toBe(4);
  expect(await page.locator('.step').last().textContent()).toContain('actor-0');
  expect(await page.locator('.step').last().locator('.diff-name').allTextContents()).toEqual(['alias', 'rpm']);
  await page.getByLabel('Who changed').selectOption('rpm');
  const shown = page.locator('.step .step-head');
  await expect.poll(() => shown.count()).toBe(3);
  expect(await shown.allTextContents()).toEqual([
    expect.stringContaining('actor-3'),
    expect.stringContaining('actor-1'),
    expect.stringContaining('actor-0'),
  ]);
});

pageTest("an actor's page counts what it did and leads to the events", async ({ open }) => {
  const page = await open('/actors/bo');
  await page.getByText('120 events in 30 days').waitFor();
  const cells = await page.locator('.heat td .unseen').allTextContents();
  expect(cells.reduce((sum, text) => sum + Number(text), 0)).toBe(120);
  await page.locator('.shares').getByRole('link', { name: 'created' }).click();
  await page.locator('.event-row').first().waitFor();
  expect(new URL(page.url()).search).toBe('?changed_by=bo&action=created&range=30d');
});

pageTest('the keyboard alone finds an event and opens it', async ({ open }) => {
  const page = await open('/?range=24h');
  await rows(page).first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('prod-42');
  await page.keyboard.press('Enter');
  await expect.poll(() => rows(page).count()).toBe(1);
  await page.locator('body').press('Escape');
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.locator('.event-panel h1').waitFor();
  expect(await page.locator('.event-panel h1').textContent()).toContain('ana changed 2 fields of');
  await page.keyboard.press('Escape');
  await expect.poll(() => page.locator('.event-panel').count()).toBe(0);
});

pageTest('a key that is not known is not let in, and its address stays', async ({ api, open }) => {
  const page = await open('/?changed_by=ana');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('API key').fill('abx_live_wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('not known');
  expect(page.url()).toBe(`${api.url}/ui/?changed_by=ana`);
});

pageTest('the answer of the page forbids inline scripts, foreign servers and frames', async ({ api }) => {
  const { headers, text } = await api.request('/ui/events/1', { key: null, headers: { accept: 'text/html' } });
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');
  expect(policy).toContain("frame-ancestors 'none'");
  expect(text).not.toMatch(/<script(?![^>]*src=)/);
  expect((await api.request('/ui/', { key: null, headers: { accept: 'application/json' } })).status).toBe(406);
});

pageTest('the export page says what is stuck, what failed and why', async ({ api, open }) => {
  const page = await open('/export');
  await page.getByRole('heading', { name: 's3' }).waitFor();
  expect(await page.locator('.figures').textContent()).toContain('in no batch yet');
  for (let made = 0; made < 2; ) made += (await sealBatches(api.db, limits)).batches;
  const lease = () => leaseDelivery(api.db, { destination: 's3', leaseMs: 60_000, batchIds: null });
  const [failing, waiting] = [await lease(), await lease()];
  if (!failing || !waiting) throw new Error('There are no two batches.');
  await failDelivery(api.db, failing, { error: 'The store answered with a riddle.', keepRender: false });
  await releaseDelivery(api.db, waiting, { delayMs: 60_000, countsAsAttempt: true, error: 'Nobody answers.' });
  await page.reload();
  await page.getByText('Waits for a person', { exact: true }).waitFor();
  expect(await page.locator('.failures').textContent()).toContain('The store answered with a riddle.');
  expect(await page.locator('.blocked-note').textContent()).toContain(
    `Batch ${waiting.batchId}, 1 try: Nobody answers.`,
  );
  await expect.poll(() => page.title()).toContain('1 failed');
});

pageTest(
  'failed batches are sent again with the number on the button, and a destination is paused and resumed',
  async ({ api, open }) => {
    await api.request('/audit', { body: anEvent() });
    for (let made = 0; made < 1; ) made += (await sealBatches(api.db, limits)).batches;
    const failing = await leaseDelivery(api.db, { destination: 's3', leaseMs: 60_000, batchIds: null });
    if (!failing) throw new Error('There is no batch.');
    await failDelivery(api.db, failing, { error: 'A riddle again.', keepRender: false });
    const { body: before } = await api.request('/exports');
    const failed = before.destinations[0].rows.failed;
    const page = await open('/export');
    await page.reload();
    await page.getByRole('button', { name: 'Send again…' }).click();
    await page.getByRole('button', { name: `Send ${failed} event` }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByText('A riddle again.').waitFor({ state: 'detached' });
    expect((await api.request('/exports')).body.destinations[0].deliveries.failed).toBe(0);

    await page.getByRole('button', { name: 'Pause s3' }).click();
    await page.getByText('Paused', { exact: true }).waitFor();
    expect((await api.request('/destinations')).body.destinations[0].paused).toBe(true);
    await page.getByRole('button', { name: 'Resume s3' }).click();
    await page.getByRole('button', { name: 'Pause s3' }).waitFor();
    expect((await api.request('/destinations')).body.destinations[0].paused).toBe(false);
  },
);

pageTest('a key without the scope sees the export, and no button that changes it', async ({ api, open }) => {
  const { key } = (await api.request('/keys', { body: { name: 'looks', scopes: ['read'] } })).body;
  const page = await open('/export', { key });
  await page.getByRole('heading', { name: 's3' }).waitFor();
  expect(await page.getByRole('button', { name: /Pause|Send again/ }).count()).toBe(0);
});

pageTest(
  'the archive shows the hours of a day, names a gap, and an hour leads to its events',
  async ({ api, open }) => {
    // No other test has events that long ago.
    const day = new Date(Date.now() - 3 * 86_400_000).toISOString().slice(0, 10);
    const finish = async (hour: string, actors: readonly string[], isStored: boolean) => {
      const happened = { updated_at: `${day}T${hour}:30:00Z`, table_name: 'archived' };
      for (const changed_by of actors) await api.request('/audit', { body: anEvent({ ...happened, changed_by }) });
      const find = () =>
        api.db.sql<{ id: string }[]>`select id::text from auditbox.batch where partition = ${`${day}T${hour}`}`;
      for (let found = await find(); found.length === 0; found = await find()) await sealBatches(api.db, limits);
      const batchIds = (await find()).map(({ id }) => id);
      const delivery = await leaseDelivery(api.db, { destination: 's3', leaseMs: 60_000, batchIds });
      if (!delivery) throw new Error('There is no batch.');
      if (!isStored) return failDelivery(api.db, delivery, { error: 'A riddle at last.', keepRender: false });
      const ofObject = { key: `dt=${day}`, sha256: 'a'.repeat(64), ndjsonBytes: 10, objectBytes: 2_500 };
      const rendered = { ...ofObject, linesRoot: null, objectSha256: null };
      await recordRender(api.db, [{ delivery, rendered }], 60_000);
      return markDone(api.db, [delivery]);
    };
    await finish('10', ['ana', 'bo'], true);
    await finish('11', ['missing'], false);
    const page = await open(`/archive?month=${day.slice(0, 7)}&day=${day}`);
    const hours = page.locator('.archive-table tbody tr');
    await hours.first().waitFor();
    const cells = hours.filter({ hasText: '10:00' }).locator('td');
    expect(await cells.allTextContents()).toEqual(['2', '1', '2.5 kB', 'none', 'archived']);
    expect(await hours.filter({ hasText: '11:00' }).textContent()).toContain('1 missing');
    const openDay = page.locator('.archive-day[aria-pressed="true"] .unseen');
    expect(await openDay.textContent()).toMatch(/: gap, 1 of 3 events not archived\. 2 events in 1 object, 2\.5 kB\.$/);
    expect(await page.locator('.headline').textContent()).toContain('gap');

    // By the keyboard alone: from the open day to the day next to it, and back.
    await page.locator('.archive-day[aria-pressed="true"]').focus();
    const opened = await page.locator('#day-title').textContent();
    const [there, back] = day.endsWith('-01') ? ['ArrowRight', 'ArrowLeft'] : ['ArrowLeft', 'ArrowRight'];
    await page.keyboard.press(there as string);
    await page.keyboard.press('Enter');
    await expect.poll(() => page.locator('#day-title').textContent()).not.toBe(opened);
    await page.keyboard.press(back as string);
    await page.keyboard.press('Enter');
    await hours.getByRole('link', { name: '11:00' }).click();
    await rows(page).first().waitFor();
    expect(await rows(page).count()).toBe(1);
    expect(await rows(page).first().textContent()).toContain('missing');
    expect(new URL(page.url()).searchParams.get('start_date')).toBe(`${day}T11:00:00.000Z`);
  },
);

pageTest('a key of a tenant is not offered the archive, and its address says why', async ({ api, open }) => {
  const { key } = (await api.request('/keys', { body: { name: 'of acme', scopes: ['read'], tenant: 'acme' } })).body;
  const page = await open('/archive', { key });
  await page.locator('.notice').waitFor();
  expect(await page.locator('.notice').textContent()).toContain('bound to one');
  expect(await page.getByRole('navigation').getByRole('link', { name: 'Archive' }).count()).toBe(0);
});

pageTest('an event shows how far it is on its way to each destination', async ({ api, open }) => {
  await addDestination(api.db, 'soc');
  const event = anEvent();
  await api.request('/audit', { body: event });
  const page = await open(`/events/${event.id}`);
  const card = page.getByRole('region', { name: 'Deliveries' });
  await card.waitFor();
  expect(await card.locator('dl > div').allTextContents()).toEqual(['s3waiting ', 'socwaiting ']);
  await removeDestination(api.db, 'soc', 1_000);
});

pageTest('a key is made, shown once, rotated, and revoked by its name', async ({ api, open }) => {
  await api.request('/keys', { body: { name: 'proxy', scopes: ['write'], bounds: { table_name: ['teams'] } } });
  const page = await open('/keys');
  expect(await page.getByRole('row').filter({ hasText: 'proxy' }).textContent()).toContain('table_name teams');
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('What is it for?').fill('siem');
  await page.getByRole('button', { name: 'Make the key' }).click();
  const secret = await page.locator('.dialog .secret code').textContent();
  expect((await api.request('/me', { key: secret })).body).toMatchObject({ name: 'siem' });
  await page.getByRole('button', { name: 'I have stored it' }).click();
  const row = page.getByRole('row').filter({ hasText: 'siem' });
  expect(await row.textContent()).not.toContain(secret);
  await row.getByRole('button', { name: 'Rotate' }).click();
  const next = await page.locator('.dialog .secret code').textContent();
  expect(next).not.toBe(secret);
  expect((await api.request('/me', { key: next })).body).toMatchObject({ name: 'siem' });
  await page.getByRole('button', { name: 'I have stored it' }).click();
  await row.getByRole('button', { name: 'Revoke' }).last().click();
  const revoke = page.getByRole('dialog').getByRole('button', { name: 'Revoke' });
  expect(await revoke.isDisabled()).toBe(true);
  await page.getByLabel('Type siem to confirm').fill('siem');
  await revoke.click();
  await row.waitFor({ state: 'detached' });
  const { body } = await api.request('/keys');
  expect(body.keys).toContainEqual(expect.objectContaining({ name: 'siem', revoked_at: expect.any(String) }));
});

const screens = [
  ['log', '/'],
  ['event', `/events/${budget.id}`],
  ['object', '/objects/teams/prod-42'],
  ['actor', '/actors/ana'],
  ['export', '/export'],
  ['archive', '/archive'],
  ['keys', '/keys'],
] as const;
const anyContent = '.event-row, .receipt, .step, .heat, .archive-day, .headline, .key-table, .notice';

for (const [screen, path] of screens) {
  pageTest(`axe finds nothing serious on the ${screen} in both themes`, async ({ open }) => {
    const page = await open(path);
    await page.locator(anyContent).first().waitFor();
    await expectAccessible(page);
  });
}

for (const width of [360, 3840]) {
  pageTest(`nothing is wider than a window of ${width} pixels on any screen`, async ({ open }) => {
    for (const [screen, path] of screens) {
      const page = await open(path, { width });
      await page.locator(anyContent).first().waitFor();
      const wider = await page.evaluate(() =>
        [document.documentElement, document.body, document.querySelector('main'), document.querySelector('.rail')]
          .filter((element) => element !== null && element.scrollWidth > element.clientWidth)
          .map((element) => `${element?.tagName} ${element?.scrollWidth} > ${element?.clientWidth}`),
      );
      expect(wider, screen).toEqual([]);
    }
  });
}

pageTest('a key without the scope is told which scope is missing', async ({ api, open }) => {
  const { key } = (await api.request('/keys', { body: { name: 'writer', scopes: ['write'] } })).body;
  const page = await open('/', { key });
  expect(await page.locator('.notice').textContent()).toContain('does not have the scope "audit:read"');
});
