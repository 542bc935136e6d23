import { ApiUnreachableError } from './api-problem.ts';

/** Sends one request, once. Throws ApiUnreachableError, or the reason of the caller's signal. */
type Send = (request: Request) => Promise<Response>;

export interface Sending {
  /** Resolves when the whole response is there. */
  readonly sendWhole: Send;
  /** Resolves when the response begins. Its body is a stream without a time limit. */
  readonly sendForStream: Send;
}

/** Gives each request an id, and a time limit until its response is there. */
export function createSending(timeoutMs: number): Sending {
  async function send(request: Request, read: (response: Response) => Promise<Response>): Promise<Response> {
    const requestId = request.headers.get('x-request-id') ?? crypto.randomUUID();
    request.headers.set('x-request-id', requestId);
    const ends = new AbortController();
    const timer = setTimeout(() => ends.abort(), timeoutMs);
    try {
      return await read(await fetch(request, { signal: AbortSignal.any([request.signal, ends.signal]) }));
    } catch (error) {
      if (request.signal.aborted) throw error;
      const reason = ends.signal.aborted ? `none within ${timeoutMs} ms` : explain(error);
      throw new ApiUnreachableError(request.url, reason, requestId, error);
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    sendWhole: (request) => send(request, readWhole),
    sendForStream: (request) => send(request, async (response) => (response.ok ? response : readWhole(response))),
  };
}

/** Statuses whose response has no body. */
const bodiless = [204, 205, 304];

async function readWhole(response: Response): Promise<Response> {
  const body = await response.arrayBuffer();
  return new Response(bodiless.includes(response.status) ? null : body, response);
}

/** `fetch failed` says little; its cause says the address and what happened. */
function explain(error: unknown): string {
  const { message, cause } = error as Error;
  if (!(cause instanceof Error)) return message;
  // The addresses of a name failed one after the other.
  const [first = cause] = cause instanceof AggregateError ? cause.errors : [];
  return `${message}, ${first.message}`;
}
