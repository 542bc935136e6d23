import { setTimeout as sleep } from 'node:timers/promises';
import type { SceneCell } from './cell.ts';
import { type Pace, patienceMs } from './pace.ts';
import type { Scene } from './scene.ts';

/** An event did not reach the bucket although the fault is over. */
class StuckError extends Error {
  override readonly name = 'StuckError';
}

const checkEveryMs = 20;

/** Resolves when every outbox row is in the bucket, or rejected. Throws StuckError when that takes too long. */
export async function waitUntilExported({ cells, pace }: Scene): Promise<void> {
  await Promise.all(cells.map((cell) => waitForCell(cell, pace)));
}

async function waitForCell({ db, name }: SceneCell, pace: Pace): Promise<void> {
  const giveUpAt = performance.now() + patienceMs[pace];
  for (;;) {
    const open = await db.query(
      (sql) => sql<{ state: string; error: string | null; count: number }[]>`
      select state, last_error as error, count(*)::int as count
      from auditbox.outbox_status where destination = 's3' and state not in ('done', 'rejected') group by 1, 2`,
    );
    if (open.length === 0) return;
    if (performance.now() > giveUpAt)
      throw new StuckError(`Not exported${name && ` in the cell ${name}`}: ${JSON.stringify(open)}`);
    await sleep(checkEveryMs);
  }
}
