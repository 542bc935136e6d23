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
    const problem = isProblem(body) ? body : makeProblem(status, statusText, requestId);
    const errors = problem.errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    const request = problem.request_id === '' ? '' : ` (request ${problem.request_id})`;
    super([`${status} ${problem.code}: ${problem.detail}${request}`, ...errors].join('\n  '));
    this.status = status;
    this.problem = problem;
    this.problemCode = problem.code;
    this.requestId = problem.request_id;
    const seconds = Number.parseInt(headers.get('retry-after') ?? '', 10);
    this.retryAfterMs = Number.isNaN(seconds) ? null : seconds * 1000;
  }
}

function isProblem(body: unknown): body is ProblemDocument {
  return typeof body === 'object' && body !== null && 'detail' in body && 'errors' in body;
}

/** For an error response that is not from the api, such as a proxy's. */
function makeProblem(status: number, title: string, requestId: string): ProblemDocument {
  return {
    type: 'about:blank',
    title,
    status,
    code: status >= 500 ? 'unavailable' : 'bad-request',
    request_id: requestId,
    detail: 'The response does not come from the api.',
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
