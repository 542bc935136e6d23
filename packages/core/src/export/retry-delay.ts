/** The wait before another attempt grows from `baseMs` to `capMs`. */
export interface Backoff {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * Milliseconds to wait after the nth failure in a row (1 for the first): a random part of an exponentially growing
 * bound, "full jitter" in https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. `random` is a
 * number from 0 up to, not including, 1.
 */
export function retryDelayMs(failures: number, { baseMs, capMs }: Backoff, random: number): number {
  const bound = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.ceil(bound * random);
}
