import type { Database } from '@auditbox/db/database/connect.ts';
import { type ContentHasher, createHasher } from '@auditbox/db/events/content-hash.ts';
import { readContentKey } from '@auditbox/db/events/content-key.ts';
import { CellsDifferError } from './cells-differ-error.ts';

const checkEveryMs = 5_000;

/**
 * Hashes events with the key that all cells have. With two keys an event that is sent again could get another id. So all
 * cells that answer must have the same key, and a cell that was down is checked when it answers again.
 */
export function createCellContentHasher(
  cells: readonly { readonly name: string; readonly keysDb: Database }[],
): () => Promise<ContentHasher> {
  let known: { readonly key: string; readonly hasher: ContentHasher } | null = null;
  let unchecked = cells;
  let difference: CellsDifferError | null = null;
  let running: Promise<void> | null = null;
  let checkedAt = Number.NEGATIVE_INFINITY;

  async function check(): Promise<void> {
    const asked = unchecked;
    const outcomes = await Promise.allSettled(asked.map(({ keysDb }) => readContentKey(keysDb)));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') continue;
      known ??= { key: outcome.value, hasher: createHasher(outcome.value) };
      if (outcome.value !== known.key) {
        difference = new CellsDifferError(
          `The cell ${asked[index]?.name} has another key for content hashes than the other cells. Run \`npm run migrate\` with DATABASE_CELLS before a new cell stores events.`,
        );
        throw difference;
      }
    }
    difference = null;
    unchecked = asked.filter((_cell, index) => outcomes[index]?.status === 'rejected');
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (known === null && failed?.status === 'rejected') throw failed.reason;
  }

  function run(): Promise<void> {
    checkedAt = performance.now();
    running ??= check().finally(() => {
      running = null;
    });
    return running;
  }

  return async () => {
    // A cell that is down must not make each write wait for it.
    if (known === null) await run();
    else if (unchecked.length > 0 && performance.now() - checkedAt > checkEveryMs) await run();
    if (difference !== null) throw difference;
    return (known as unknown as { readonly hasher: ContentHasher }).hasher;
  };
}
