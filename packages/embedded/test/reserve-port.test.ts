import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { reservePort } from '@auditbox/embedded/stack/reserve-port.ts';
import { preferredPorts } from '@auditbox/embedded/stack/stack.ts';
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

test('a port that a stack handed to its server stays its own, also while the server is down', async () => {
  const own = await reservePort(await findFreePort());
  await own.handOver();
  const other = await reservePort(own.port);
  expect(other.port).not.toBe(own.port);
  await Promise.all([own.release(), other.release()]);
});

test('no port of a stack that is not demanded is one that the system gives to connections', async () => {
  const firstOfSystem = 32_768;
  const taken = await reservePort(await findFreePort());
  const instead = await reservePort(taken.port);
  for (const port of [...Object.values(preferredPorts), taken.port, instead.port])
    expect(port).toBeLessThan(firstOfSystem);
  await Promise.all([taken.release(), instead.release()]);
});
