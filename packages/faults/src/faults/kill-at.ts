import type { CrashPoint } from '@auditbox/process/crash-point.ts';
import { BrokenPromise, type Strike } from './fault.ts';

/**
 * Smallest and largest number of consecutive kills at one point: the next process is killed at the same point. An api
 * starts more slowly, so it is killed less often. With default settings each kill may cost a lease time.
 */
export const inARow = {
  quick: { exporters: [3, 12], apis: [1, 5] },
  default: { exporters: [1, 1], apis: [1, 1] },
} as const;

/** Kills processes at a point, or a moment after it. A point that no process reached is a broken promise. */
export async function killAt(
  { scene, random }: Strike,
  which: 'apis' | 'exporters',
  point: CrashPoint,
  delayMs = 0,
): Promise<void> {
  const fleet = scene[which];
  const variables = { FAULT_POINT: point, FAULT_HIT: String(random.between(1, 2)), FAULT_DELAY_MS: String(delayMs) };
  const [least, most] = inARow[scene.pace][which];
  const struckBefore = fleet.struck;
  fleet.arm(variables, random.between(least, most));
  await fleet.killAll();
  await fleet.disarmed();
  if (fleet.struck === struckBefore) throw new BrokenPromise(`No process reached the crash point "${point}".`);
}
