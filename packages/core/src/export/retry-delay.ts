/** The upper bound of the wait grows from `baseMs` to `capMs`. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Milliseconds to wait after the nth failure in a row (1 for the first). The wait is a random part of a bound that
 * doubles with each failure: "full jitter" in
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. `random` is in [0, 1).
 */
export function retryDelayMs(failures: number, { baseMs, capMs }: Backoff, random: number): number {
  const bound = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.ceil(bound * random);
}
