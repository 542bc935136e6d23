import { prefix } from '../place/prefix.ts';
import { currentSession, endSession } from '../session/session.ts';

/** An answer that is an error, or no answer. `status` 0: the api was not reached. */
export class CallError extends Error {
  readonly status: number;
  readonly title: string;
  readonly requestId: string | null;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
  readonly retryAfterS: number | null;

  constructor(
    status: number,
    problem: { title?: string; detail?: string; request_id?: string; errors?: CallError['errors'] },
    retryAfterS: number | null = null,
  ) {
    super(problem.detail ?? problem.title ?? 'The api did not say what is wrong.');
    this.status = status;
    this.title = problem.title ?? 'Error';
    this.requestId = problem.request_id ?? null;
    this.errors = problem.errors ?? [];
    this.retryAfterS = retryAfterS;
  }
}

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Instead of the key of the session. */
  readonly key?: string;
}

/** Sends a request with the key. Throws CallError. A 401 ends the session: the key was revoked or has expired. */
export async function call(path: string, { method = 'GET', body, signal, key }: CallOptions = {}): Promise<Response> {
  const bearer = key ?? currentSession()?.key;
  let response: Response;
  try {
    response = await fetch(`${prefix}${path}`, {
      method,
      signal: signal ?? null,
      credentials: 'omit',
      headers: {
        accept: 'application/json, text/plain, */*',
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new CallError(0, { title: 'No connection', detail: 'The api cannot be reached.' });
  }
  if (response.ok) return response;
  if (response.status === 401 && key === undefined && bearer !== undefined) endSession(bearer);
  const problem = readProblem(await response.json().catch(() => null));
  const waitS = Number(response.headers.get('retry-after'));
  throw new CallError(response.status, { title: response.statusText, ...problem }, waitS > 0 ? waitS : null);
}

type Problem = ConstructorParameters<typeof CallError>[1];

/** A proxy in between may answer with any JSON. Only texts are shown. */
function readProblem(body: unknown): Problem {
  const { title, detail, request_id, errors } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const isError = (one: unknown): one is CallError['errors'][number] => {
    const { path, message } = (one ?? {}) as Readonly<Record<string, unknown>>;
    return typeof path === 'string' && typeof message === 'string';
  };
  return {
    ...(typeof title === 'string' && { title }),
    ...(typeof detail === 'string' && { detail }),
    ...(typeof request_id === 'string' && { request_id }),
    errors: Array.isArray(errors) ? errors.filter(isError) : [],
  };
}

/** For answers whose values are not shown digit by digit: counts, states, keys. */
export async function callJson<T>(path: string, options?: CallOptions): Promise<T> {
  const response = await call(path, options);
  if (response.status === 204) return null as T;
  const text = await response.text();
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new CallError(-1, {
      title: 'Error',
      detail: 'The answer is not JSON. Is a proxy between this page and the api?',
    });
  }
}
