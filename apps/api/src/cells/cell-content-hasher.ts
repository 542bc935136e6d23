import type { Database } from '@auditbox/db/database/connect.ts';
import { type ContentHasher, createHasher } from '@auditbox/db/events/content-hash.ts';
import { readContentKey } from '@auditbox/db/events/content-key.ts';
import { CellsDifferError } from './cells-differ-error.ts';
import { firstAnswers } from './first-answers.ts';

const checkEveryMs = 5_000;
/** A cell may answer this much later than the first one. */
const graceMs = 1_000;

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

  /** Whether the cell has the known key. */
  async function compare({ name, keysDb }: (typeof cells)[number]): Promise<boolean> {
    const key = await readContentKey(keysDb);
    known ??= { key, hasher: createHasher(key) };
    if (key === known.key) return true;
    difference = new CellsDifferError(
      `The cell ${name} has another key for content hashes than the other cells. Run \`npm run migrate\` with DATABASE_CELLS before a new cell stores events.`,
    );
    return false;
  }

  async function check(): Promise<void> {
    const outcomes = await firstAnswers(unchecked.map(compare), graceMs);
    const answers = outcomes.map((outcome) => (outcome?.status === 'fulfilled' ? outcome.value : null));
    if (!answers.includes(false)) difference = null;
    // One that has not answered in time is asked again; if it answers after all, the difference counts at once.
    unchecked = unchecked.filter((_cell, index) => answers[index] !== true);
    const failed = outcomes.find((outcome) => outcome?.status === 'rejected');
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
    const isDue = unchecked.length > 0 && performance.now() - checkedAt > checkEveryMs;
    // A cell that is down must not make a write wait for it.
    if (known === null || (isDue && difference !== null)) await run();
    else if (isDue) void run();
    if (difference !== null) throw difference;
    return (known as unknown as { readonly hasher: ContentHasher }).hasher;
  };
}
