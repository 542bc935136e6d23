/** Whether the loops of a process make progress. A loop that has stopped makes the process unhealthy. */
export interface Turns<Loop extends string> {
  /** Records that a loop has finished an iteration, or a part of a long one. */
  turned(loop: Loop): void;
  /** Whether every loop has made progress within `limitMs`. */
  all(limitMs: number): boolean;
}

/** `now` reads a monotonic clock in milliseconds. */
export function createTurns<const Loop extends string>(loops: readonly Loop[], now: () => number): Turns<Loop> {
  const turnedAt = new Map(loops.map((loop) => [loop, now()]));
  return {
    turned: (loop) => void turnedAt.set(loop, now()),
    all: (limitMs) => [...turnedAt.values()].every((at) => now() - at < limitMs),
  };
}
