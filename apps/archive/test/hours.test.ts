import { randomUUID } from 'node:crypto';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

let fixture: ArchiveFixture;
beforeAll(async () => {
  fixture = await createArchiveFixture();
});
afterAll(() => fixture.close());

const range = ['--from', '2026-07-03T11:00:00Z', '--to', '2026-07-03T12:10:00Z'];
const hours = (...more: string[]) =>
  fixture.archive(['hours', ...range, ...more], { DATABASE_URL: urlAs('exporter', fixture.db.url) });

test('hours prints the state of each hour, with exit code 2 while one is open, and 0 when all are complete', async () => {
  await fixture.insert([{ id: randomUUID(), at: '2026-07-03T11:46:50Z' }]);
  expect(await hours()).toMatchObject({
    exitCode: 2,
    output: expect.stringMatching(
      /^2026-07-03T11 {2}open \(events-wait\) {2}0 events in 0 objects\n2026-07-03T12 {2}complete /,
    ),
    said: '1 complete, 1 open.\n',
  });
  await fixture.drain();
  const { exitCode, output } = await hours('--json');
  expect(exitCode).toBe(0);
  const [first, second, ...others] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(first).toMatchObject({
    partition: '2026-07-03T11',
    state: 'complete',
    open_because: null,
    objects: 1,
    rows: 1,
  });
  expect(second).toMatchObject({ partition: '2026-07-03T12', state: 'complete', objects: 0 });
  expect(others).toEqual([]);
});

test('hours without DATABASE_URL says that only the database knows', async () => {
  expect(await fixture.archive(['hours', ...range])).toMatchObject({
    exitCode: 1,
    said: expect.stringContaining('DATABASE_URL is not set'),
  });
});
