/**
 * Resolves or rejects as `promise` does, if it does so within `ms`; else with what `late` returns or throws. The
 * promise itself goes on, and its later rejection is ignored.
 */
export async function within<T, L = T>(ms: number, promise: PromiseLike<T>, late: () => L): Promise<T | L> {
  const { promise: expired, resolve, reject } = Promise.withResolvers<L>();
  const timer = setTimeout(() => {
    try {
      resolve(late());
    } catch (error) {
      reject(error);
    }
  }, ms);
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
