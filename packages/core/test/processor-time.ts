/**
 * The least processor time of three calls, in milliseconds. Other programs of the machine lengthen a time on the clock; this
 * one they lengthen little.
 */
export function leastProcessorMs(call: () => void): number {
  const times = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    call();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}
