import { createHash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Random choices that depend only on a seed. */
export interface Random {
  /** A whole number, both ends included. */
  between(least: number, most: number): number;
  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean;
  pick<T>(choices: readonly T[]): T;
}

/** Makes an independent source for each name, so that one round can be repeated without the rounds before it. */
export function createRandom(seed: number, name: string): Random {
  const start = createHash('sha256').update(`${seed} ${name}`).digest().readInt32LE();
  const generator = xoroshiro128plus(start);
  const between = (least: number, most: number) => uniformInt(generator, least, most);
  return {
    between,
    chance: (percent) => between(1, 100) <= percent,
    pick: <T>(choices: readonly T[]) => choices[between(0, choices.length - 1)] as T,
  };
}
