import { setTimeout as sleep } from 'node:timers/promises';
import type { NullStore, StoreProgress } from './null-store.ts';

const lookEveryMs = 50;
const giveUpAfterMs = 120_000;

/** Resolves once so many rows have arrived; throws when nothing more comes for two minutes. */
export async function untilExported(store: NullStore, rows: number): Promise<StoreProgress> {
  let seen = -1;
  let movedAt = performance.now();
  for (;;) {
    const progress = await store.progress();
    if (progress.rows >= rows) return progress;
    if (progress.rows !== seen) movedAt = performance.now();
    seen = progress.rows;
    if (performance.now() - movedAt > giveUpAfterMs) throw new Error(`Only ${seen} of ${rows} rows have arrived.`);
    await sleep(lookEveryMs);
  }
}
