import { writeSync } from 'node:fs';
import { armCrashPoints } from '@auditbox/process/crash-point.ts';

/*
 * The fault suite loads this file before an app: `node --import preload.ts main.ts`. Nothing else loads it.
 *
 * FAULT_POINT        the crash point at which the process gets FAULT_SIGNAL
 * FAULT_HIT          which time the process reaches the point, 1 for the first
 * FAULT_DELAY_MS     how long after it the signal is sent
 * FAULT_CLOCK_MS     how far this process's clock is ahead; negative for behind
 */
const { FAULT_POINT, FAULT_SIGNAL = 'SIGKILL', FAULT_HIT = '1', FAULT_DELAY_MS = '0' } = process.env;
const { FAULT_CLOCK_MS = '0' } = process.env;

if (FAULT_POINT !== undefined) {
  let left = Number(FAULT_HIT);
  const strike = () => {
    writeSync(1, `${JSON.stringify({ level: 'info', msg: 'At the crash point.' })}\n`);
    process.kill(process.pid, FAULT_SIGNAL);
  };
  armCrashPoints((point) => {
    if (point !== FAULT_POINT) return;
    left -= 1;
    if (left !== 0) return;
    if (FAULT_DELAY_MS === '0') strike();
    else setTimeout(strike, Number(FAULT_DELAY_MS));
  });
}

const aheadMs = Number(FAULT_CLOCK_MS);

if (aheadMs !== 0) {
  const RightDate = Date;
  const now = () => RightDate.now() + aheadMs;
  globalThis.Date = new Proxy(RightDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: () => new RightDate(now()).toString(),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  });
}
