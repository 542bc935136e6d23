import { setTimeout as sleep } from 'node:timers/promises';
import { patienceMs } from './pace.ts';
import type { Scene } from './scene.ts';

/** An event did not reach the bucket although the fault is over. */
class StuckError extends Error {
  override readonly name = 'StuckError';
}

const checkEveryMs = 20;

/** Resolves when every outbox row is in the bucket, or rejected. Throws StuckError when that takes too long. */
export async function waitUntilExported({ db, pace }: Scene): Promise<void> {
  const giveUpAt = performance.now() + patienceMs[pace];
  for (;;) {
    const open = await db.query(
      (sql) => sql<{ state: string; error: string | null; count: number }[]>`
      select state, last_error as error, count(*)::int as count
      from auditbox.outbox_status where destination = 's3' and state not in ('done', 'rejected') group by 1, 2`,
    );
    if (open.length === 0) return;
    if (performance.now() > giveUpAt) throw new StuckError(`Not exported: ${JSON.stringify(open)}`);
    await sleep(checkEveryMs);
  }
}
