/** Work that is cut into steps, so that its caller may do other work between two of them. It ends with a result. */
export type Steps<T> = Generator<void, T>;

/** Runs steps to their end, at once or in pieces. */
export type RunSteps = <T>(steps: Steps<T>) => T | Promise<T>;

/** Runs all steps at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
