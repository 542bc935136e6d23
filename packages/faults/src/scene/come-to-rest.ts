import { setTimeout as sleep } from 'node:timers/promises';
import { patienceMs } from './pace.ts';
import type { Scene } from './scene.ts';

/** Something did not reach the bucket, although nothing hinders it any more. */
class StuckError extends Error {
  override readonly name = 'StuckError';
}

const lookEveryMs = 20;

/** Resolves when every outbox row is exported or quarantined; throws StuckError when that takes too long. */
export async function comeToRest({ db, pace }: Scene): Promise<void> {
  const giveUpAt = performance.now() + patienceMs[pace];
  for (;;) {
    const open = await db.query(
      (sql) => sql<{ state: string; error: string | null; count: number }[]>`
      select state, last_error as error, count(*)::int as count
      from outbox_status where state not in ('done', 'quarantined') group by 1, 2`,
    );
    if (open.length === 0) return;
    if (performance.now() > giveUpAt) throw new StuckError(`Still there: ${JSON.stringify(open)}`);
    await sleep(lookEveryMs);
  }
}
