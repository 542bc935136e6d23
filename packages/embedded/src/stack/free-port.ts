import { randomInt } from 'node:crypto';
import { reservePort } from './reserve-port.ts';

/**
 * A port of 127.0.0.1 that is free now, for a server that listens on it later. It is below the ports that the system gives to
 * connections and to servers that ask for any port, so nothing else gets it in the meantime. Some container engines forward a
 * port by rules of the firewall and hold no socket; the system would give such a port to others, too.
 */
export async function findFreePort(): Promise<number> {
  for (;;) {
    const wanted = randomInt(20_000, 32_768);
    const { port, release } = await reservePort(wanted);
    await release();
    if (port === wanted) return port;
  }
}
