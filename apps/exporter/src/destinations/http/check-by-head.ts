import type { Finding } from '@auditbox/destination-kit/destination.ts';
import type { HttpClient } from './http-client.ts';

/** Whether anything answers at a URL. Any answer will do, because a receiver need not know HEAD. */
export async function checkByHead(client: HttpClient, url: string, signal: AbortSignal): Promise<readonly Finding[]> {
  try {
    await client.send({ method: 'HEAD', url }, signal);
    return [];
  } catch (error) {
    return [{ says: `${new URL(url).host} cannot be reached: ${explain(error)}`, stopsDelivery: true }];
  }
}

function explain(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return message === undefined || message === '' ? String(code) : message;
}
