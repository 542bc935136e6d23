import { randomInt } from 'node:crypto';
import { reservePort } from '@auditbox/embedded/stack/reserve-port.ts';

/**
 * A port of this machine for a container. Some engines forward it by rules of the firewall and hold no socket. The system would
 * then give the same port to any server that asks for a free one, and its callers would reach the container. So it is below
 * the ports that the system gives.
 */
export async function publishedPort(): Promise<number> {
  for (;;) {
    const wanted = randomInt(20_000, 32_768);
    const { port, release } = await reservePort(wanted);
    await release();
    if (port === wanted) return port;
  }
}
