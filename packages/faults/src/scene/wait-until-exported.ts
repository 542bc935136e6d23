import { setTimeout as sleep } from 'node:timers/promises';
import type { SceneCell } from './cell.ts';
import { type Pace, patienceMs } from './pace.ts';
import type { Scene } from './scene.ts';

/** An event did not reach the bucket although the fault is over. */
class StuckError extends Error {
  override readonly name = 'StuckError';
}

const checkEveryMs = 100;

/**
 * Resolves when every outbox row is in the bucket, or rejected. Throws StuckError when no row gets there for too long: a
 * slow machine is not stuck.
 */
export async function waitUntilExported({ cells, pace }: Scene): Promise<void> {
  await Promise.all(cells.map((cell) => waitForCell(cell, pace)));
}

async function waitForCell({ db, name }: SceneCell, pace: Pace): Promise<void> {
  let giveUpAt = performance.now() + patienceMs[pace];
  for (let left = Number.POSITIVE_INFINITY; ; ) {
    const open = await db.query(
      (sql) => sql<{ state: string; error: string | null; count: number }[]>`
      select state, last_error as error, count(*)::int as count
      from auditbox.outbox_status where destination = 's3' and state not in ('done', 'rejected') group by 1, 2`,
    );
    if (open.length === 0) return;
    const now = open.reduce((rows, { count }) => rows + count, 0);
    if (now < left) giveUpAt = performance.now() + patienceMs[pace];
    left = Math.min(left, now);
    if (performance.now() > giveUpAt)
      throw new StuckError(`Not exported${name && ` in the cell ${name}`}: ${JSON.stringify(open)}`);
    await sleep(checkEveryMs);
  }
}
