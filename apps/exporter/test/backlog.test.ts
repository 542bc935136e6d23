import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* In which order a destination gets the batches that wait for it. */

let rig: DestinationFixture;
let release: () => void;
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const soc = (options: object = {}) => ({
  ...{ name: 'soc', type: 'webhook', url: rig.receiver.url, secrets: [secret], body: 'ndjson', since: 'all' },
  ...{ timeoutMs: 600_000, ...options },
});
const sentIds = () =>
  rig.receiver.requests
    .filter(({ method, body }) => method === 'POST' && body !== '')
    .flatMap(({ body }) => [...body.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id = '']) => id));

/** The receiver answers nothing until `release` is called. */
beforeEach(async () => {
  rig = await createDestinationFixture();
  const held = Promise.withResolvers<void>();
  release = held.resolve;
  rig.receiver.answer = async ({ method }) => {
    if (method === 'POST') await held.promise;
    return { status: 200 };
  };
});
afterEach(() => rig.close());

/** Stores events, one for each hour from an hour on: each is a batch. */
async function store(hours: number, from = 0): Promise<string[]> {
  const events = Array.from({ length: hours }, (_, n) =>
    someEvents(1, { updated_at: new Date(Date.UTC(2026, 6, 3, from + n)).toISOString() }),
  ).flat();
  await rig.db.store(events);
  return events.map(({ id }) => id);
}

/** An exporter whose destinations have a history of 20 batches, which the receiver holds up, and then a new event. */
async function serve(...destinations: { readonly name: string }[]): Promise<{ history: string[]; later: string[] }> {
  const history = await store(20);
  expect(await (await rig.drain()).ended).toBe(0);
  await rig.serve(destinations);
  for (const { name } of destinations)
    await eventually(async () => expect(await rig.deliveries(name)).toHaveLength(history.length));
  await eventually(() => expect(sentIds()).not.toEqual([]));
  const later = await store(1, 23);
  for (const { name } of destinations)
    await eventually(async () => expect(await rig.deliveries(name)).toHaveLength(history.length + 1));
  return { history, later };
}

const done = (name: string, batches: number) =>
  eventually(async () => expect(await rig.deliveries(name)).toEqual(Array(batches).fill('done')));

test('with several batches at once, a new event does not wait for a history, and each event is sent once', async () => {
  const { history, later } = await serve(soc({ concurrency: 2 }));
  const [first = ''] = later;
  await eventually(() => expect(sentIds()).toHaveLength(2));
  release();
  await done('soc', 21);
  // Two batches were under way, and of the next two one is the newest.
  expect(sentIds().indexOf(first)).toBeLessThan(5);
  expect([...sentIds()].sort()).toEqual([...history, ...later].sort());
});

test('with several batches at once, new ones and old ones take turns, so that neither waits for all of the others', async () => {
  const { history } = await serve(soc({ concurrency: 2 }));
  release();
  await done('soc', 21);
  const firstTen = sentIds()
    .slice(0, 10)
    .map((id) => history.indexOf(id));
  expect(firstTen.filter((n) => n >= 0 && n < 10).length).toBeGreaterThan(2);
  expect(firstTen.filter((n) => n >= 10).length).toBeGreaterThan(2);
});

test('with one batch at a time, batches come in their order, in files too', async () => {
  const folder = join(rig.folder, 'files');
  const { history, later } = await serve(soc(), { name: 'files', type: 'file', folder, since: 'all' } as {
    name: string;
  });
  release();
  for (const name of ['soc', 'files']) await done(name, 21);
  const order = [...history, ...later];
  expect(sentIds()).toEqual(order);
  const written = readFileSync(join(folder, 'dt=2026-07-03.ndjson'), 'utf8').trimEnd().split('\n');
  expect(written.map((line) => JSON.parse(line).id)).toEqual(order);
});
