import { setTimeout as sleep } from 'node:timers/promises';
import type { Scene } from '../scene/scene.ts';

type Sql = Scene['db']['sql'];

/** Repeats the query until it returns a row. */
export async function waitFor<S extends Pick<Sql, 'unsafe'>>(
  sql: S,
  query: (sql: S) => PromiseLike<readonly unknown[]>,
): Promise<void> {
  while ((await query(sql)).length === 0) await sleep(20);
}
