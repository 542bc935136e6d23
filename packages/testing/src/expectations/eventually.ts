const patienceMs = 90_000;

/**
 * Repeats an assertion until it holds. Fails with its last error after `timeoutMs`, which is no promise of the product: it
 * only ends a test that would wait for ever, also on a machine that is slow and busy.
 */
export async function eventually<T>(assertion: () => Promise<T> | T, timeoutMs = patienceMs): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await assertion();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
