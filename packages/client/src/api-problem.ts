import type { components } from './api-types.ts';

/** The body of every error response of the api (RFC 9457). */
export type ProblemDocument = components['schemas']['ProblemDocument'];

/** The api rejected a request or failed to process it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly code = 'AUDITBOX_API_PROBLEM';
  readonly status: number;
  readonly problem: ProblemDocument;
  /** The `Retry-After` of the response in milliseconds; null without one. */
  readonly retryAfterMs: number | null;

  constructor({ status, statusText, headers }: Response, body: unknown) {
    const problem = isProblem(body) ? body : makeProblem(status, statusText);
    const errors = problem.errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
    super([`${status}: ${problem.detail}`, ...errors].join('\n  '));
    this.status = status;
    this.problem = problem;
    const seconds = Number.parseInt(headers.get('retry-after') ?? '', 10);
    this.retryAfterMs = Number.isNaN(seconds) ? null : seconds * 1000;
  }
}

function isProblem(body: unknown): body is ProblemDocument {
  return typeof body === 'object' && body !== null && 'detail' in body && 'errors' in body;
}

/** For an error response that is not from the api, such as a proxy's. */
function makeProblem(status: number, title: string): ProblemDocument {
  return {
    type: 'about:blank',
    title,
    status,
    code: status >= 500 ? 'unavailable' : 'bad-request',
    request_id: '',
    detail: 'The response does not come from the api.',
    errors: [],
  };
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
  // fetch throws a TypeError when there is no response, or an incomplete one.
  return error instanceof TypeError;
}
