import { choosePort, reservePort } from './reserve-port.ts';

/** A port of 127.0.0.1 that is free now, for a server that listens on it later. */
export async function findFreePort(): Promise<number> {
  const { port, release } = await reservePort(choosePort());
  await release();
  return port;
}
