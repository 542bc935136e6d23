import { type CitusFixture, citusUrl, openCitusSchema } from '@auditbox/testing/fixtures/citus-fixture.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

/*
 * Captured tables in a database with Citus: either a capture works, or the command and the function refuse it and change nothing. TEST_CITUS_URL is
 * the URL of a superuser at the coordinator. The fixture permits triggers on distributed tables.
 */

if (citusUrl === '') console.warn('TEST_CITUS_URL is not set, so NO CAPTURE IS TESTED ON CITUS here.');

const main = new URL('../src/capture/main.ts', import.meta.url);

describe.skipIf(citusUrl === '').each([true, false])('with the schema of Auditbox distributed: %s', (isDistributed) => {
  let citus: CitusFixture;
  /** Has the tables of the application. */
  let shop: string;
  let owner: Sql;
  beforeEach(async () => {
    citus = await openCitusSchema({ isDistributed });
    shop = `${citus.schema}_shop`;
    await citus.admin.unsafe(`create schema ${shop} authorization ${citus.schema}`);
    owner = postgres(citus.url, { max: 1, onnotice: () => {} });
    await owner.unsafe(`create table ${shop}.t (id int primary key, v text)`);
  });
  afterEach(async () => {
    await owner?.end();
    await citus?.admin.unsafe(`drop schema if exists ${shop} cascade`);
    await citus?.close();
  });

  async function capture(...args: string[]) {
    const app = spawnApp(main, citus.env, args);
    return { code: await app.ended, says: app.output() };
  }
  const write = () =>
    owner.unsafe(`insert into ${shop}.t values (1, 'a'); update ${shop}.t set v = 'b'; delete from ${shop}.t`).simple();
  const listTriggers = () =>
    owner`select tgname from pg_trigger where tgrelid = ${`${shop}.t`}::regclass and not tgisinternal`;
  async function readActions() {
    const found = await citus.db.sql<{ action: string }[]>`
      select action from auditbox.audit_log where table_name = ${`${shop}.t`} order by action`;
    return found.map(({ action }) => action);
  }
  const listCaptureEvents = () =>
    citus.db.sql`select 1 from auditbox.audit_log where table_name = 'auditbox.captured_table'`;

  const distribute = {
    'a distributed table': () => owner`select create_distributed_table(${`${shop}.t`}, 'id')`,
    'a reference table': () => owner`select create_reference_table(${`${shop}.t`})`,
    'a table of a distributed schema': () => citus.admin`select citus_schema_distribute(${shop})`,
    'a table that is at the coordinator': async () => {},
    'a table that Citus manages at the coordinator': () =>
      owner`select citus_add_local_table_to_metadata(${`${shop}.t`})`,
  } as const;

  for (const [what, make] of Object.entries(distribute)) {
    if (!isDistributed && what.includes('coordinator')) {
      test(`${what} is captured, and its changes are recorded`, async () => {
        await make();
        expect(await capture('add', `${shop}.t`)).toMatchObject({ code: 0 });
        await write();
        expect(await readActions()).toEqual(['created', 'deleted', 'updated']);
        expect(await capture('check')).toMatchObject({ code: 0 });
      });
      continue;
    }
    test(`${what} is not captured: the command and the function name the cause and change nothing, and writes work`, async () => {
      await make();
      const { code, says } = await capture('add', `${shop}.t`);
      expect(code).toBe(1);
      expect(says).toContain(`${shop}.t cannot be captured: Citus distributes ${isDistributed ? 'the schema' : 'it'}`);
      expect(says).toContain('Let the application write the events of the table');
      for (const install of ['capture', 'recapture'])
        await expect(citus.db.sql.unsafe(`select auditbox.${install}('${shop}.t')`)).rejects.toMatchObject({
          code: '42809',
          message: expect.stringContaining(`${shop}.t cannot be captured: Citus distributes`),
          hint: expect.stringContaining('Let the application write'),
        });
      expect(await listTriggers()).toEqual([]);
      expect(await listCaptureEvents()).toEqual([]);
      await write();
    });
  }

  if (!isDistributed)
    test('a captured table that is distributed later is named, and is captured again when that is undone', async () => {
      expect(await capture('add', `${shop}.t`)).toMatchObject({ code: 0 });
      await distribute['a distributed table']();
      await expect(write()).rejects.toThrow('does not exist');
      const { code, says } = await capture('check');
      expect([code, says]).toEqual([1, expect.stringContaining(`Citus distributes the captured table ${shop}.t`)]);
      expect(says).toContain(`select undistribute_table('${shop}.t')`);
      await owner.unsafe(`select undistribute_table('${shop}.t')`);
      expect(await capture('check')).toMatchObject({ code: 0 });
      await write();
      expect(await readActions()).toEqual(['created', 'deleted', 'updated']);
    });
});
