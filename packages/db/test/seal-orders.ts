import type { limits, OutboxFixture } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import type { Sql } from 'postgres';

/** Writers and a sealer of one database. */
export interface Scene {
  /** A session in an open transaction. */
  readonly begin: () => Promise<Sql>;
  readonly insert: OutboxFixture['insert'];
  readonly insertBy: (sql: Sql, rows?: number) => Promise<unknown>;
  readonly seal: (changed?: Partial<typeof limits>) => Promise<unknown>;
}

const commit = (sql: Sql) => sql.unsafe('commit');

/* Writers and sealers in an order that one way to get gaps wrong does not survive. */

/** A row whose transaction has a higher id than any that had ended when its gap was seen. */
async function aHigherTransaction({ begin, insertBy, seal }: Scene): Promise<void> {
  const early = await begin();
  await early`select pg_current_xact_id()`;
  const late = await begin();
  await insertBy(late);
  await insertBy(early);
  await commit(early);
  for (let n = 0; n < 3; n += 1) await seal();
  await commit(late);
}

/** A gap that is younger than the generation that closes. */
async function aYoungerGap({ begin, insert, insertBy, seal }: Scene): Promise<void> {
  const old = await begin();
  await old`select pg_current_xact_id()`;
  const aborted = await begin();
  await insertBy(aborted);
  await aborted.unsafe('rollback');
  await insert(1);
  await seal();
  const late = await begin();
  await insertBy(late);
  await insert(1);
  await seal();
  await commit(old);
  await seal();
  await commit(late);
}

/** A gap whose row becomes visible when its generation closes, and is not ripe. */
async function aRowThatWaits({ begin, insert, insertBy, seal }: Scene): Promise<void> {
  const late = await begin();
  await insertBy(late);
  await insert(1);
  await seal();
  await commit(late);
  await seal({ lingerMs: 3_600_000 });
}

/** More rows in a closing generation than one call reads. */
async function moreThanOneLook({ begin, insert, insertBy, seal }: Scene): Promise<void> {
  const late = await begin();
  await insertBy(late, 25);
  await insert(1);
  await seal();
  await commit(late);
  await seal({ lingerMs: 3_600_000 });
}

/** A caller that got its transaction id before the row's writer got one. */
async function aCallerThatHasWritten({ begin, insert, insertBy, seal }: Scene): Promise<void> {
  const caller = await begin();
  await caller`select pg_current_xact_id()`;
  const late = await begin();
  await insertBy(late);
  await insert(1);
  await caller`select auditbox.seal('hour', 10, 1000000, 0, 10)`;
  await commit(caller);
  await seal();
  await commit(late);
}

/** A row that commits after a row with a higher id was sealed. */
async function aLateCommit({ begin, insert, insertBy, seal }: Scene): Promise<void> {
  const late = await begin();
  await insertBy(late);
  await insert(1);
  await seal();
  await commit(late);
}

export const orders = {
  aHigherTransaction,
  aYoungerGap,
  aRowThatWaits,
  moreThanOneLook,
  aCallerThatHasWritten,
  aLateCommit,
};
