import type { components } from './api-types.ts';

/** The body of every error response of the api (RFC 9457). */
export type ProblemDocument = components['schemas']['ProblemDocument'];

/** The api rejected a request or failed to process it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly code = 'AUDITBOX_API_PROBLEM';
  readonly status: number;
  readonly problem: ProblemDocument;
  /** The stable code of the problem, such as `invalid-event`. docs/errors.md explains each. */
  readonly problemCode: ProblemDocument['code'];
  /** The `X-Request-Id` of the response, which the log of the api has too. */
  readonly requestId: string;
  /** The `Retry-After` of the response in milliseconds; null without one. */
  readonly retryAfterMs: number | null;

  constructor({ status, statusText, headers }: Response, body: unknown) {
    const requestId = headers.get('x-request-id') ?? '';
    const problem = isProblem(body) ? body : makeProblem(status, statusText, requestId, headers.get('location'));
    const errors = problem.errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    const request = problem.request_id === '' ? '' : ` (request ${problem.request_id})`;
    super([`${status} ${problem.code}: ${problem.detail}${request}`, ...errors].join('\n  '));
    this.status = status;
    this.problem = problem;
    this.problemCode = problem.code;
    this.requestId = problem.request_id;
    this.retryAfterMs = readRetryAfter(headers.get('retry-after') ?? '');
  }
}

/** A proxy may send a problem document too, with other members: `errors` of ASP.NET is an object. */
function isProblem(body: unknown): body is ProblemDocument {
  const { code, detail, request_id, errors } = (body ?? {}) as Partial<Record<keyof ProblemDocument, unknown>>;
  return [code, detail, request_id].every((text) => typeof text === 'string') && Array.isArray(errors);
}

/** Seconds, or a date of HTTP. */
function readRetryAfter(text: string): number | null {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

/** For an error response that is not from the api, such as a proxy's. */
function makeProblem(status: number, title: string, requestId: string, location: string | null): ProblemDocument {
  return {
    type: 'about:blank',
    title,
    status,
    code: status >= 500 ? 'unavailable' : 'bad-request',
    request_id: requestId,
    detail:
      location === null
        ? 'The response does not come from the api.'
        : `The response is a redirect to ${location}. The client does not follow it, because a write would become a read. Correct baseUrl.`,
    errors: [],
  };
}

/**
 * No complete response arrived: the api was not reached, the connection broke, or the time was over. The api may have
 * processed the request all the same. `cause` is the error of `fetch`.
 */
export class ApiUnreachableError extends Error {
  override readonly name = 'ApiUnreachableError';
  readonly code = 'AUDITBOX_API_UNREACHABLE';
  /** The `X-Request-Id` that was sent. If the request reached the api, the log of the api has it. */
  readonly requestId: string;

  constructor(url: string, reason: string, requestId: string, cause: unknown) {
    super(`${url} sent no complete response: ${reason} (request ${requestId})`, { cause });
    this.requestId = requestId;
  }
}

interface FetchResult<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

/** Returns the body of a successful response. Throws ApiProblem for an error response. */
export async function readBody<T>(request: Promise<FetchResult<T>>): Promise<T> {
  const { data, error, response } = await request;
  if (!response.ok || data === undefined) throw new ApiProblem(response, error);
  return data;
}

/** Whether the same request may succeed later: the api was not reached, failed, or asked to retry. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status >= 500 || error.status === 429;
  return error instanceof ApiUnreachableError;
}
