import { expect, test, vi } from 'vitest';
import { createGate, sendThrough } from '../src/destinations/gate.ts';

const failed = { class: 'transient', code: 'SlowDown', reason: 'down' } as const;
const blocked = { class: 'blocked', code: 'AccessDenied', reason: 'no rights' } as const;
const never = new AbortController().signal;

function setUp(backoff = { baseMs: 1, capMs: 1 }) {
  const logged: string[] = [];
  const log = {
    exportBlocked: (reason: string) => void logged.push(reason),
    exportResumed: () => void logged.push('resumed'),
  };
  const gate = createGate(backoff, log, () => 0.5);
  const enter = async () => (await gate.enter(never)) ?? expect.fail('no permit');
  return { gate, logged, enter };
}

test('an open gate lets every upload through', async () => {
  const { enter } = setUp();
  await Promise.all([enter(), enter(), enter()]);
});

test('after an error one probe is let through at a time, and a success opens the gate for all', async () => {
  const { gate, logged, enter } = setUp();
  (await enter()).report(failed);
  const probe = await enter();
  expect(await gate.enter(AbortSignal.timeout(50))).toBeNull();
  probe.report('reached');
  expect(logged).toEqual(['resumed']);
  await Promise.all([enter(), enter()]);
});

test('a probe that found no batch leaves the permit to the next', async () => {
  const { enter } = setUp();
  (await enter()).report(failed);
  (await enter()).report('not tried');
  (await enter()).report('reached');
});

test('a probe that throws leaves the permit to the next, and one that resolves opens the gate', async () => {
  const { gate, enter } = setUp();
  (await enter()).report(failed);
  const noDatabase = new Error('The database does not answer.');
  await expect(sendThrough(gate, never, () => Promise.reject(noDatabase))).rejects.toBe(noDatabase);
  expect(await sendThrough(gate, never, async () => 'reached')).toBe('reached');
  await Promise.all([enter(), enter()]);
});

test('uploads in flight at the first error do not lengthen the wait', async () => {
  const { gate, enter } = setUp({ baseMs: 40, capMs: 10_000 });
  const inFlight = await Promise.all([enter(), enter(), enter(), enter(), enter(), enter(), enter(), enter()]);
  for (const each of inFlight) each.report(failed);
  // Eight waits that double would last five seconds at least.
  expect(await gate.enter(AbortSignal.timeout(4_000))).not.toBeNull();
});

test('a block is logged once for each cause, whatever its sentence, and a transient error in between does not end it', async () => {
  const { gate, logged, enter } = setUp();
  (await enter()).report(blocked);
  (await enter()).report(failed);
  expect(gate.blockedReason).toBe('no rights');
  (await enter()).report(blocked);
  (await enter()).report({ ...blocked, reason: 'no rights for another key' });
  (await enter()).report({ ...blocked, code: 'NoSuchBucket', reason: 'no bucket' });
  (await enter()).report('reached');
  expect(logged).toEqual(['no rights', 'no bucket', 'resumed']);
  expect(gate.blockedReason).toBeNull();
  (await enter()).report({ ...blocked, code: 'NoSuchBucket', reason: 'no bucket' });
  expect(logged.at(-1)).toBe('no bucket');
});

test('a block that lasts is logged again every hour', async () => {
  const { logged, enter } = setUp();
  const now = vi.spyOn(performance, 'now');
  (await enter()).report(blocked);
  const later = performance.now() + 3_599_000;
  now.mockReturnValue(later);
  (await enter()).report(blocked);
  expect(logged).toEqual(['no rights']);
  now.mockReturnValue(later + 2_000);
  (await enter()).report(blocked);
  expect(logged).toEqual(['no rights', 'no rights']);
  now.mockRestore();
});
