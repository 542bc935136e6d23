import { ApiUnreachableError } from './api-problem.ts';
import { longestTimerMs } from './sleep.ts';

/** Sends one request, once. Throws ApiUnreachableError, or the reason of the caller's signal. */
type Send = (request: Request) => Promise<Response>;

export interface Sending {
  /** Resolves when the whole response is there. */
  readonly sendWhole: Send;
  /** The same, and a response that succeeds must be JSON. */
  readonly sendForJson: Send;
  /** Resolves when rows begin. Their stream has no time limit. */
  readonly sendForRows: Send;
}

/** Gives each request an id, and a time limit until its response is there. */
export function createSending(timeoutMs: number): Sending {
  async function send(request: Request, read: (response: Response) => Promise<Response>): Promise<Response> {
    const requestId = request.headers.get('x-request-id') ?? crypto.randomUUID();
    request.headers.set('x-request-id', requestId);
    const ends = new AbortController();
    const timer = setTimeout(() => ends.abort(), Math.min(timeoutMs, longestTimerMs));
    try {
      // A redirect makes a GET of a POST. Followed, it would answer a write with a page of events that succeeds.
      const options = { redirect: 'manual', signal: AbortSignal.any([request.signal, ends.signal]) } as const;
      return await read(await fetch(request, options));
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
    sendForJson: (request) => send(request, (response) => readWhole(checkType(response, json))),
    sendForRows: (request) =>
      send(request, async (response) => (response.ok ? checkType(response, rows) : readWhole(response))),
  };
}

const json = ['application/json'];
const rows = ['application/x-ndjson', 'text/csv'];

/** A proxy may answer 200 with a page: to sign in, or about its maintenance. Throws for a success that names another type. */
function checkType(response: Response, types: readonly string[]): Response {
  const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
  if (!response.ok || type === '' || types.includes(type.trim().toLowerCase())) return response;
  void response.body?.cancel();
  throw new Error(`${response.status} with the type "${type}" does not come from the api`);
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
