/**
 * Longer than the slowest wait of a slow and busy machine. It is no promise of the product: it only ends a test that would wait
 * for ever. A test of a promise about time measures it.
 */
const patienceMs = 120_000;

/** Repeats an assertion until it holds. Fails with its last error when it never does. */
export async function eventually<T>(assertion: () => Promise<T> | T): Promise<T> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
