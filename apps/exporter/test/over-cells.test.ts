import { markCell } from '@auditbox/db/migrate/mark-cell.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, openTestSchema, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { listCells, type ProcessRole, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cellEnvironment } from '../src/over-cells.ts';

/* With DATABASE_CELLS the commands about one database run for each cell. */

let rig: ExporterFixture;
let birch: TestDatabase;
beforeEach(async () => {
  rig = await createExporterFixture();
  birch = await openTestDatabase();
});
afterEach(async () => {
  await rig.close();
  await birch.close(1_000);
});

const listFor = (role: ProcessRole) => `ash=${urlAs(role, rig.db.url)} birch=${urlAs(role, birch.url)}`;

/** Runs a command of the exporter's app to its end. */
async function run(
  main: 'main' | 'destinations-main' | 'status-main',
  args: string[],
  settings: Record<string, string>,
) {
  const env = { ...rig.env, DATABASE_URL: '', ...settings };
  const app = spawnApp(`exporter/src/${main}.ts` as 'exporter/src/main.ts', env, args);
  return { code: await app.ended, output: app.output() };
}

function resultOf(output: string) {
  return JSON.parse(output.split('\n').find((line) => line.startsWith('{"cells"')) ?? 'null')?.cells;
}

/** What a command about one cell finds about its name. */
function resultFinding(output: string) {
  const found = JSON.parse(output.split('\n').find((line) => line.startsWith('{"ok"')) ?? 'null');
  return found?.findings.find(({ what }: { what: string }) => what === 'cell name');
}

test('the doctor examines every cell, also two schemas of one database, and names the cell in each line and result', async () => {
  const inSchema = await openTestSchema(rig.db.url, 'cell_b');
  const DATABASE_CELLS = listCells('exporter', { ash: rig.db, birch: inSchema });
  await markCell({ name: 'ash', url: rig.db.url });
  await inSchema.sql`alter table auditbox.audit_log disable trigger audit_log_append_only`;
  const { code, output } = await run('main', ['--doctor'], { DATABASE_CELLS });
  // The server of the tests does not wait for the disk, which the doctor reports in each cell.
  expect(code, output).toBe(1);
  for (const name of ['ash', 'birch']) expect(output).toMatch(new RegExp(`^${name}: pass `, 'm'));
  const result = resultOf((await run('main', ['--doctor', '--json'], { DATABASE_CELLS })).output);
  expect(result).toMatchObject([{ cell: 'ash' }, { cell: 'birch' }]);
  const [ash, other] = result.map(({ findings }: { findings: { what: string; state: string }[] }) =>
    findings.filter(({ state }) => state === 'fail').map(({ what }) => what),
  );
  expect(ash).toEqual(['durability']);
  expect(other).toEqual(expect.arrayContaining(['cell name', 'triggers', 'durability']));
  const chosen = await run('destinations-main', ['pause', 's3'], { DATABASE_CELLS, CELL_NAME: 'birch' });
  expect(chosen.code, chosen.output).toBe(0);
  const status = await run('status-main', ['--json'], { DATABASE_CELLS });
  expect(resultOf(status.output)).toMatchObject([
    { cell: 'ash', state: 'pass' },
    { cell: 'birch', state: 'warn' },
  ]);
  await inSchema.sql`update auditbox.destination set is_paused = false where name = 's3'`;
  // Exports need nothing else that is wrong here.
  await inSchema.sql`alter table auditbox.audit_log enable always trigger audit_log_append_only`;
  const check = async () =>
    run('main', ['--check', '--json'], {
      ...{ DATABASE_URL: urlAs('exporter', inSchema.url), DATABASE_SCHEMA: inSchema.schema, CELL_NAME: 'birch' },
    });
  const nameless = await check();
  expect(nameless.code).toBe(1);
  expect(resultFinding(nameless.output)).toMatchObject({
    state: 'fail',
    advice: 'Run `npm run migrate` with DATABASE_CELLS once.',
  });
  await inSchema.sql`comment on schema auditbox is 'ask ana'`;
  expect(resultFinding((await check()).output).advice).toContain('`comment on schema cell_b is null`');
  await inSchema.sql`comment on schema auditbox is null`;
  await markCell({ name: 'birch', url: inSchema.url }, inSchema.schema);
  const named = await check();
  expect([named.code, resultFinding(named.output).state]).toEqual([0, 'pass']);
  await inSchema.close(1_000);
});

test('retention removes the expired months of every cell, under the keys of each', async () => {
  const old = () => anEvent({ updated_at: '2020-05-15T00:00:00Z' });
  await rig.db.store([old()]);
  await birch.store([old(), old()]);
  for (const [name, db] of [
    ['ash', rig.db],
    ['birch', birch],
  ] as const)
    expect((await run('main', ['--once'], { DATABASE_URL: urlAs('exporter', db.url), CELL_NAME: name })).code).toBe(0);
  const settings = { DATABASE_CELLS: listFor('retention'), AUDIT_RETENTION_DAYS: '365' };
  const { code, output } = await run('main', ['--retention', '--json'], settings);
  expect(code, output).toBe(0);
  expect(resultOf(output)).toMatchObject([
    { cell: 'ash', months: [{ month: 'audit_log_2020_05', outcome: 'removed', rows: 1 }] },
    { cell: 'birch', months: [{ month: 'audit_log_2020_05', outcome: 'removed', rows: 2 }] },
  ]);
});

test('a cell that is down has the exit code of an error, and the other cell is changed', async () => {
  const nowhere = 'postgres://nobody:x@127.0.0.1:1/nothing';
  const DATABASE_CELLS = `ash=${nowhere} birch=${urlAs('exporter', birch.url)}`;
  const { code, output } = await run('destinations-main', ['pause', 's3'], { DATABASE_CELLS });
  expect(code, output).toBe(1);
  expect(output).toMatch(/^ash: .*127\.0\.0\.1:1/m);
  const [row] = await birch.sql`select is_paused from auditbox.destination where name = 's3'`;
  expect(row).toEqual({ is_paused: true });
});

test('CELL_NAME chooses one cell of the list; a name that is not in the list is refused', async () => {
  const settings = { DATABASE_CELLS: listFor('exporter'), CELL_NAME: 'birch' };
  expect((await run('destinations-main', ['pause', 's3'], settings)).code).toBe(0);
  const isPaused = async (db: TestDatabase) =>
    (await db.sql`select is_paused from auditbox.destination where name = 's3'`)[0]?.is_paused;
  expect([await isPaused(rig.db), await isPaused(birch)]).toEqual([false, true]);
  const status = await run('status-main', ['--json'], settings);
  expect(resultOf(status.output)).toMatchObject([{ cell: 'birch' }]);
  for (const main of ['main', 'status-main'] as const) {
    const wrong = await run(main, main === 'main' ? ['--doctor'] : [], { ...settings, CELL_NAME: 'elm' });
    expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('DATABASE_CELLS has no such cell') });
  }
});

test('each cell has its own log', () => {
  const cell = { name: 'ash', url: 'postgres://db/a', schema: 'cell_a', takesEvents: true };
  const originFor = (origin: string) => cellEnvironment(cell, { EXPORT_LOG_ORIGIN: origin }).EXPORT_LOG_ORIGIN;
  expect(originFor('example.com/log')).toBe('example.com/log/ash');
  expect(originFor('example.com/log/ash')).toBe('example.com/log/ash');
});
