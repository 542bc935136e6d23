/** What a service outside of Auditbox answered. `failed`: there was no answer; `reason` is a sentence. */
export type OutsideAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly type: string; readonly body: Buffer }
  | { readonly kind: 'failed'; readonly reason: string };

const timeoutMs = 10_000;
const mostBytes = 65_536;

/** Sends a body and reads the answer, for at most 10 s and at most 64 KiB. Follows no redirect. */
export async function askOutside(
  url: string,
  { type, body }: { readonly type: string; readonly body: Buffer | string },
  signal: AbortSignal,
): Promise<OutsideAnswer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
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
