import { expect, test } from 'vitest';
import { createGate } from '../src/export/destination-gate.ts';

const refused = { class: 'transient', code: 'SlowDown', reason: 'down' } as const;
const blocked = { class: 'blocked', code: 'AccessDenied', reason: 'no rights' } as const;
const never = new AbortController().signal;

function setUp(backoff = { baseMs: 1, capMs: 1 }) {
  const told: string[] = [];
  const gate = createGate(
    backoff,
    { blocked: (reason) => told.push(reason), resumed: () => told.push('resumed') },
    () => 0.5,
  );
  const pass = async () => (await gate.pass(never)) ?? expect.fail('no pass');
  return { gate, told, pass };
}

test('while it is open everybody passes', async () => {
  const { pass } = setUp();
  await Promise.all([pass(), pass(), pass()]);
});

test('after a refusal one probe passes at a time, and a success opens it for all', async () => {
  const { gate, told, pass } = setUp();
  (await pass()).settle(refused);
  const probe = await pass();
  expect(await gate.pass(AbortSignal.timeout(50))).toBeNull();
  probe.settle('reached');
  expect(told).toEqual(['resumed']);
  await Promise.all([pass(), pass()]);
});

test('a probe that found nothing to try leaves the turn to the next', async () => {
  const { pass } = setUp();
  (await pass()).settle(refused);
  (await pass()).settle('not tried');
  (await pass()).settle('reached');
});

test('uploads that were under way at the first refusal do not lengthen the wait', async () => {
  const { gate, pass } = setUp({ baseMs: 40, capMs: 10_000 });
  const underWay = await Promise.all([pass(), pass(), pass(), pass(), pass(), pass(), pass(), pass()]);
  for (const each of underWay) each.settle(refused);
  expect(await gate.pass(AbortSignal.timeout(1_000))).not.toBeNull();
});

test('a block is told once for each cause, whatever words it comes in, and a passing error in between does not end it', async () => {
  const { gate, told, pass } = setUp();
  (await pass()).settle(blocked);
  (await pass()).settle(refused);
  expect(gate.blockedReason).toBe('no rights');
  (await pass()).settle(blocked);
  (await pass()).settle({ ...blocked, reason: 'no rights for another key' });
  (await pass()).settle({ ...blocked, code: 'NoSuchBucket', reason: 'no bucket' });
  (await pass()).settle('reached');
  expect(told).toEqual(['no rights', 'no bucket', 'resumed']);
  expect(gate.blockedReason).toBeNull();
});
