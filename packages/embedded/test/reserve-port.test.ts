import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { reservePort } from '@auditbox/embedded/stack/reserve-port.ts';
import { expect, test } from 'vitest';

test('two stacks that start at the same time choose different ports, and a released port can be had again', async () => {
  const preferred = await findFreePort();
  const first = await reservePort(preferred);
  const second = await reservePort(preferred);
  expect(first.port).toBe(preferred);
  expect(second.port).not.toBe(preferred);
  await first.release();
  await first.release();
  const third = await reservePort(preferred);
  expect(third.port).toBe(preferred);
  await Promise.all([second.release(), third.release()]);
});
