import { reservePort } from './reserve-port.ts';

/** Any port of 127.0.0.1 that is free now. Another program may take it at any time. */
export async function findFreePort(): Promise<number> {
  const { port, release } = await reservePort(0);
  await release();
  return port;
}
