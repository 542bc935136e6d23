import { counted } from '@auditbox/core/text/counted.ts';
import type { Sql } from 'postgres';
import { defaultSchema } from '../database/schema-name.ts';
import { listUpcomingMonths, makeMonths } from '../months/make-months.ts';
import { checkServer } from './check-server.ts';
import { grantRights, haveRights } from './grant-rights.ts';
import { listPending } from './list-pending.ts';
import { type Migration, readMigrations, type Step } from './migrations.ts';
import { greetAsMigrator, openMigrator } from './migrator.ts';
import { chooseOwner } from './owner.ts';
import { createProgress, type Progress } from './progress.ts';
import { runSteps, type Turn } from './run-steps.ts';
import { asOwner, asOwnerWithoutTransaction, inTurn } from './turns.ts';

export interface MigrateOptions {
  readonly schema?: string | undefined;
  /** Gets a line about what will be done, for each step, and about what was done. */
  readonly report?: (line: string) => void;
  /** Other migrations than those of this version, for tests. */
  readonly migrations?: readonly Migration[];
  /** Called after each migration, step and block. */
  readonly onProgress?: () => void;
  /** A step that runs for longer is reported again and again; 5 s unless given. */
  readonly reportEveryMs?: number;
}

/**
 * Brings the schema up to date, and the rights of the roles if setUpRoles was called before. Several processes may call
 * it at once: one works while the others wait and then find nothing to do. Throws MigrationError.
 *
 * Caller: `npm run migrate`, and the embedded stack.
 * Locks: the migrators' lock, in each transaction; and what a migration says in its head, or each of its steps.
 * Crash: each migration, or step of one, is applied and recorded, or neither; the next call continues.
 */
export async function migrateDatabase(url: string, options: MigrateOptions = {}): Promise<void> {
  const { schema = defaultSchema, report = () => {} } = options;
  const sql = openMigrator(url, schema);
  try {
    await greetAsMigrator(sql);
    await checkServer(sql);
    const migrations = options.migrations ?? readMigrations(schema);
    const owner = await chooseOwner(sql);
    const pending = await asOwner(sql, owner, (tx) => listPending(tx, migrations, schema));
    announce(pending, schema, report);
    if (pending.length > 0) await makeSchema(sql, owner);
    const progress = createProgress({ ...options, report, watch: () => openMigrator(url, schema) });
    for (const migration of pending) await apply(sql, migration, { migrations, owner, schema, report, progress });
    await asOwner(sql, owner, async (tx) => {
      await makeMonths({ query: (send) => Promise.resolve(send(tx)) }, listUpcomingMonths(new Date()));
      if (await haveRights(tx)) await grantRights(tx);
    });
    report(
      pending.length === 0
        ? 'The schema is up to date.'
        : `Applied ${count(pending.length)}. The schema is up to date.`,
    );
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function announce(pending: readonly Migration[], schema: string, report: (line: string) => void): void {
  if (pending.length === 0) return;
  report(`${count(pending.length)} to apply in the schema ${schema}:`);
  for (const { tag, locks, steps } of pending) {
    report(`  ${tag}: ${locks ?? 'locks only what it makes.'}`);
    steps?.forEach(
      (step, index) => void report(`    step ${index + 1}, ${manners[step.kind]}: ${step.locks ?? 'no locks.'}`),
    );
  }
}

const manners: Readonly<Record<Step['kind'], string>> = {
  transaction: 'in one transaction',
  concurrently: 'while everybody reads and writes',
  months: 'month by month, while everybody reads and writes',
  blocks: 'in many short transactions',
};

function count(migrations: number): string {
  return counted(migrations, 'migration');
}

interface Context {
  readonly migrations: readonly Migration[];
  readonly owner: string;
  readonly schema: string;
  readonly report: (line: string) => void;
  readonly progress: Progress;
}

async function apply(sql: Sql, migration: Migration, context: Context): Promise<void> {
  const { migrations, owner, schema, report, progress } = context;
  const startedAt = performance.now();
  report(`${migration.tag} …`);
  if (migration.steps !== null) {
    const turn: Turn = {
      inTransaction: (work) => asOwner(sql, owner, work),
      outside: (work) => asOwnerWithoutTransaction(sql, owner, work),
    };
    await runSteps(turn, migration, progress);
  }
  const isOurs = await progress.during(migration.tag, () =>
    asOwner(sql, owner, async (tx) => {
      // Another migrator may have been faster.
      const pending = await listPending(tx, migrations, schema);
      if (pending[0]?.tag !== migration.tag) return false;
      if (migration.steps === null) for (const statement of migration.statements) await tx.unsafe(statement);
      await recordMigration(tx, migration);
      await hideFunctions(tx);
      return true;
    }),
  );
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  report(isOurs ? `${migration.tag}: done in ${seconds} s` : `${migration.tag}: another migrator applied it`);
}

async function recordMigration(tx: Sql, { tag, sha256, oldestReader }: Migration): Promise<void> {
  await tx`insert into auditbox.migration (tag, sha256) values (${tag}, ${sha256})`;
  // The first migrations are applied before the column is there.
  if (oldestReader !== null) await tx`update auditbox.migration set oldest_reader = ${oldestReader} where tag = ${tag}`;
}

/** Makes the schema and its list of migrations. The login makes the schema, because its owner may not. */
async function makeSchema(sql: Sql, owner: string): Promise<void> {
  await inTurn(sql, async (tx) => {
    // Not by to_regnamespace: it reads the cache of this session, which may not know what was committed during the wait.
    const [there] = await tx<[{ schema: boolean; list: boolean }]>`
      select exists (select from pg_namespace n where n.nspname = 'auditbox') as schema,
        exists (
          select from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'auditbox' and c.relname = 'migration'
        ) as list`;
    if (there.list) return;
    if (!there.schema) await tx`create schema auditbox authorization ${tx(owner)}`;
    await tx`set local role ${tx(owner)}`;
    await tx`
      create table auditbox.migration (
        tag text collate "C" primary key,
        sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
        applied_at timestamp(6) with time zone not null default clock_timestamp()
      )`;
  });
}

/**
 * Everybody may call a function unless it is said. Only indexes call their functions with the rights of the login that
 * inserts.
 */
async function hideFunctions(tx: Sql): Promise<void> {
  await tx`revoke all on all functions in schema auditbox from public`;
  await tx`
    do $$ begin
      if to_regprocedure('auditbox.audit_words(json, json, json)') is not null then
        grant execute on function auditbox.audit_words(json, json, json) to public;
      end if;
      if to_regprocedure('auditbox.member_in_text(json, text)') is not null then
        grant execute on function auditbox.member_in_text(json, text) to public;
      end if;
    end $$`;
}
