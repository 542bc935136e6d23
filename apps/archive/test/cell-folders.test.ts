import { randomUUID } from 'node:crypto';
import { markCell } from '@auditbox/db/migrate/mark-cell.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* A bucket in which the exporters of cells write below their own folders, next to the objects of the first cell. */

const day = '2026-07-03';
const at = `${day}T11:00:00Z`;
const [ofNone, ofAsh, ofAcme, ofBirch] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
const all = [ofNone, ofAsh, ofAcme, ofBirch].sort();

let fixture: ArchiveFixture;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  const drain = async (id: string, settings: Record<string, string>, tenant = '') => {
    await fixture.insert([{ id, at, tenant }]);
    expect(await (await fixture.drain(settings)).ended).toBe(0);
  };
  await drain(ofNone, {});
  await drain(ofAsh, { CELL_NAME: 'ash' });
  await drain(ofAcme, { CELL_NAME: 'ash', EXPORT_BY_TENANT: 'true' }, 'acme');
  await drain(ofBirch, { CELL_NAME: 'birch' });
});
afterAll(async () => {
  await endApps();
  await fixture.close();
});

const idsIn = (output: string) =>
  output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).id)
    .sort();

test('find, get and query read the objects of every cell, before and after they are compacted', async () => {
  for (const range of [[], ['--from', day, '--to', day]]) {
    expect(idsIn((await fixture.archive(['find', '--json', ...range])).output)).toEqual(all);
    for (const id of all) expect(idsIn((await fixture.archive(['get', id, ...range])).output)).toEqual([id]);
  }
  const ask = async (...more: string[]) =>
    idsIn((await fixture.archive(['query', 'select id from events', '--json', ...more])).output);
  expect(await ask()).toEqual(all);
  const { output } = await fixture.archive(['compact', '--day', day, '--json']);
  expect(JSON.parse(output).files.map((file: string) => file.replace(/[^/]+$/, ''))).toEqual([
    `parquet/audit_logs/dt=${day}/`,
    `parquet/audit_logs/cell=ash/dt=${day}/`,
    `parquet/audit_logs/cell=ash/tenant=acme/dt=${day}/`,
    `parquet/audit_logs/cell=birch/dt=${day}/`,
  ]);
  expect(await ask()).toEqual(all);
  expect(await ask('--no-parquet')).toEqual(all);
});

test('with DATABASE_URL only the object of the event is read, in the folder of its cell too', async () => {
  const before = fixture.proxy.requests.length;
  const { output } = await fixture.archive(['get', ofBirch], { DATABASE_URL: fixture.db.url });
  expect(idsIn(output)).toEqual([ofBirch]);
  const read = fixture.proxy.requests.slice(before).filter(({ path }) => path.includes('.ndjson'));
  expect(read.map(({ path }) => decodeURIComponent(path))).toEqual([expect.stringContaining('/cell=birch/')]);
});

test('restore brings back the objects of one cell, and names the other cells', async () => {
  const into = await openTestDatabase();
  try {
    const restore = (prefix: string) =>
      fixture.archive(['restore', '--into', into.url, '--json'], { S3_PREFIX: prefix });
    const some = await restore('audit_logs/');
    expect(JSON.parse(some.output)).toMatchObject({ exitCode: 0, inserted: 1 });
    expect(some.said).toContain('The objects of the cells ash, birch were not restored');
    expect(JSON.parse((await restore('audit_logs/cell=birch/')).output)).toMatchObject({ exitCode: 0, inserted: 1 });
    const rows = await into.sql<{ id: string }[]>`select id::text from auditbox.audit_log`;
    expect(rows.map(({ id }) => id).sort()).toEqual([ofNone, ofBirch].sort());
    const none = await fixture.archive(['restore', '--into', into.url, '--from', '2026-07-04']);
    expect(none).toMatchObject({ exitCode: 0 });
    // The api would look for the events of birch in birch, and store them there again.
    await markCell({ name: 'ash', url: into.url });
    const foreign = await restore('audit_logs/cell=birch/');
    expect(foreign).toMatchObject({
      exitCode: 4,
      said: expect.stringContaining('--into is the database of the cell ash'),
    });
    expect((await restore('audit_logs/cell=ash/')).exitCode).toBe(0);
    // The first cell may have had no name when it exported.
    expect((await restore('audit_logs/')).exitCode).toBe(0);
  } finally {
    await into.close(1_000);
  }
});
