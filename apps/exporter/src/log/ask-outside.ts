import { isLoopback } from '@auditbox/core/is-loopback.ts';

/** What a service outside of Auditbox answered. `failed`: there was no answer; `reason` is a sentence. */
export type OutsideAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly type: string; readonly body: Buffer }
  | { readonly kind: 'failed'; readonly reason: string };

const mostBytes = 65_536;

/**
 * Sends a body and reads at most 64 KiB of the answer. Follows no redirect. A user and password in the URL are sent as a header, and never
 * in clear to another host.
 */
export async function askOutside(
  url: string,
  { type, body }: { readonly type: string; readonly body: Buffer | string },
  signal: AbortSignal,
): Promise<OutsideAnswer> {
  try {
    const { address, authorization } = splitCredentials(url);
    if (authorization !== null && isReadable(new URL(address)))
      return { kind: 'failed', reason: 'Its URL has a password, which plain http would show on the way. Use https.' };
    const headers = { 'content-type': type, ...(authorization !== null && { authorization }) };
    const response = await fetch(address, { method: 'POST', headers, body, redirect: 'error', signal });
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > mostBytes) return { kind: 'failed', reason: `The answer has more than ${mostBytes} bytes.` };
      chunks.push(chunk);
    }
    const answerType = response.headers.get('content-type')?.split(';')[0]?.trim() ?? '';
    return { kind: 'answered', status: response.status, type: answerType, body: Buffer.concat(chunks) };
  } catch (error) {
    const { message, cause } = error as Error;
    return { kind: 'failed', reason: cause instanceof Error ? `${message}: ${cause.message}` : message };
  }
}

/** Whether others on the way can read what is sent. */
function isReadable(url: URL): boolean {
  return url.protocol === 'http:' && !isLoopback(url);
}

/** fetch refuses a URL with credentials, in an error that repeats them. */
function splitCredentials(url: string): { readonly address: string; readonly authorization: string | null } {
  const address = new URL(url);
  const { username, password } = address;
  if (username === '' && password === '') return { address: url, authorization: null };
  address.username = '';
  address.password = '';
  const pair = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  return { address: address.href, authorization: `Basic ${pair.toString('base64')}` };
}
