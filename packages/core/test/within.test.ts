import { within } from '@auditbox/core/within.ts';
import { expect, it } from 'vitest';

const never = new Promise<never>(() => {});

it('passes on the value or the error of a promise that is in time', async () => {
  expect(await within(10_000, Promise.resolve('value'), () => 'late')).toBe('value');
  const reason = new Error('reason');
  await expect(within(10_000, Promise.reject(reason), () => 'late')).rejects.toBe(reason);
});

it('calls late once the time is over, and passes on what it returns or throws', async () => {
  expect(await within(1, never, () => 'late')).toBe('late');
  const reason = new Error('too late');
  const fail = () => {
    throw reason;
  };
  await expect(within(1, never, fail)).rejects.toBe(reason);
});
