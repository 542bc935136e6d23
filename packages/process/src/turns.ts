/** Loops that must make turns for as long as the process is well. */
export interface Turns<Loop extends string> {
  /** A loop has come round, or has something to show for the time that a turn takes. */
  turned(loop: Loop): void;
  /** Whether every loop has turned within `limitMs`. */
  all(limitMs: number): boolean;
}

/** `now` is a clock that never goes back, in milliseconds. */
export function createTurns<const Loop extends string>(loops: readonly Loop[], now: () => number): Turns<Loop> {
  const turnedAt = new Map(loops.map((loop) => [loop, now()]));
  return {
    turned: (loop) => void turnedAt.set(loop, now()),
    all: (limitMs) => [...turnedAt.values()].every((at) => now() - at < limitMs),
  };
}
