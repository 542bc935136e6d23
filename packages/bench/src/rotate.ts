/** The same contenders, another one first in each turn: going first may be good or bad luck. */
export function rotate<T>(contenders: readonly T[], turn: number): readonly T[] {
  const from = turn % contenders.length;
  return [...contenders.slice(from), ...contenders.slice(0, from)];
}
