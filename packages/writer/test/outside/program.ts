import { createClient } from '@auditbox/client';
import { cursorFile, openSpool } from '@auditbox/client/node';
import {
  actAs,
  JsonText,
  type Run,
  recordEvents,
  withDrizzle,
  withKnex,
  withKysely,
  withMikroOrm,
  withPg,
  withPostgresJs,
  withPrisma,
  withSequelize,
  withTypeOrm,
} from '@auditbox/writer';
import { MikroORM } from '@mikro-orm/postgresql';
import { PrismaPg } from '@prisma/adapter-pg';
import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleOnPostgresJs } from 'drizzle-orm/postgres-js';
import knexModule from 'knex';
import { Kysely, sql as kyselySql, PostgresDialect } from 'kysely';
import pg from 'pg';
import postgres from 'postgres';
import { Sequelize } from 'sequelize';
import { DataSource } from 'typeorm';
import { PrismaClient } from './prisma/client.js';

/* Compiled and run outside of the repository, with the packages as npm installs them. */

const { API_URL = '', API_KEY = '', DATABASE_URL = '' } = process.env;

/** Changes a row and records it, and fails afterwards if it is asked to. */
async function change(run: Run, library: string, fails: boolean): Promise<void> {
  await actAs(run, library, { library });
  await run('insert into public.captured_thing (name) values ($1)', [`${library}, fails: ${fails}`]);
  await recordEvents(run, [
    {
      changed_by: library,
      action: 'updated',
      table_name: 'things',
      object_id: `${library}, fails: ${fails}`,
      before_value: ['an array', null],
      updated_values: new JsonText('{"b":12345678901234567890.10,"a":1.0,"a":null}'),
    },
  ]);
  if (fails) throw new Error('meant');
}

const audit = createClient({ baseUrl: API_URL, key: API_KEY });
const { id } = await audit.write({
  changed_by: 'client',
  action: 'updated',
  table_name: 'things',
  object_id: 'client',
});
const page = await audit.list({ object_id: ['client'] });
if (page.audit_logs[0]?.id !== id) throw new Error('The event is not listed.');

const spool = await openSpool({ folder: 'spool', client: audit });
const spooled = await spool.add({
  changed_by: 'client',
  action: 'updated',
  table_name: 'things',
  object_id: 'spooled',
});
await spool.drain();
await spool.close();
for await (const { events } of audit.poll(
  { recorded_after: '2020-01-01', object_id: ['spooled'] },
  { signal: AbortSignal.timeout(600_000), cursorStore: cursorFile('cursor') },
)) {
  if (events[0]?.id !== spooled) throw new Error('The event of the spool is not listed.');
  break;
}

const byPostgresJs = postgres(DATABASE_URL);
const pool = new pg.Pool({ connectionString: DATABASE_URL });
const byDrizzle = drizzle(pool);
const byDrizzleOnPostgresJs = drizzleOnPostgresJs(byPostgresJs);
const byKysely = new Kysely<Record<string, never>>({ dialect: new PostgresDialect({ pool }) });
const byKnex = knexModule.knex({ client: 'pg', connection: DATABASE_URL });
const byTypeOrm = await new DataSource({ type: 'postgres', url: DATABASE_URL }).initialize();
const bySequelize = new Sequelize(DATABASE_URL, { dialect: 'postgres', logging: false });
const byMikroOrm = await MikroORM.init({
  clientUrl: DATABASE_URL,
  entities: [],
  discovery: { warnWhenNoEntities: false },
});
const byPrisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: DATABASE_URL }) });

const transactions: Record<string, (fails: boolean) => Promise<unknown>> = {
  'postgres.js': (fails) => byPostgresJs.begin((tx) => change(withPostgresJs(tx), 'postgres.js', fails)),
  drizzle: (fails) => byDrizzle.transaction((tx) => change(withDrizzle(tx, drizzleSql), 'drizzle', fails)),
  'drizzle, postgres.js': (fails) =>
    byDrizzleOnPostgresJs.transaction((tx) => change(withDrizzle(tx, drizzleSql), 'drizzle, postgres.js', fails)),
  kysely: (fails) => byKysely.transaction().execute((trx) => change(withKysely(trx, kyselySql), 'kysely', fails)),
  knex: (fails) => byKnex.transaction((trx) => change(withKnex(trx), 'knex', fails)),
  typeorm: (fails) => byTypeOrm.transaction((manager) => change(withTypeOrm(manager), 'typeorm', fails)),
  sequelize: (fails) => bySequelize.transaction((t) => change(withSequelize(bySequelize, t), 'sequelize', fails)),
  'mikro-orm': (fails) => byMikroOrm.em.transactional((em) => change(withMikroOrm(em), 'mikro-orm', fails)),
  prisma: (fails) => byPrisma.$transaction((tx) => change(withPrisma(tx), 'prisma', fails)),
  pg: async (fails) => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await change(withPg(client), 'pg', fails);
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  },
};
for (const run of Object.values(transactions)) {
  await run(false);
  await run(true).catch((error: Error) => {
    if (error.message !== 'meant') throw error;
  });
}
await Promise.all([
  byPostgresJs.end(),
  byKysely.destroy(),
  byKnex.destroy(),
  byTypeOrm.destroy(),
  bySequelize.close(),
  byMikroOrm.close(),
  byPrisma.$disconnect(),
]);
