import { within } from '@auditbox/core/within.ts';

/** Outcomes that are there; null for one that is not. */
export type Outcome<T> = PromiseSettledResult<T> | null;

/**
 * Waits for all promises, but only `graceMs` longer than for the first one that resolves. So one cell that does not answer
 * delays nobody for long. If none resolves, it waits for all of them.
 */
export async function firstAnswers<T>(
  promises: readonly Promise<T>[],
  graceMs: number,
): Promise<readonly Outcome<T>[]> {
  const outcomes: Outcome<T>[] = promises.map(() => null);
  const settled = promises.map(async (promise, index) => {
    const [outcome] = await Promise.allSettled([promise]);
    outcomes[index] = outcome as PromiseSettledResult<T>;
  });
  const all = Promise.all(settled);
  const any = await Promise.any(promises).then(
    () => true,
    () => false,
  );
  if (any) await within(graceMs, all, () => {});
  else await all;
  return [...outcomes];
}
