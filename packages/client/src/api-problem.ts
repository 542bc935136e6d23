import type { components } from './api-types.ts';

/** What every error of the api answers (RFC 9457). */
export type ProblemDocument = components['schemas']['ProblemDocument'];

/** The api refused a request, or could not serve it. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly code = 'AUDITBOX_API_PROBLEM';
  readonly status: number;
  readonly problem: ProblemDocument;
  /** How long the api asks to wait; null when it does not say. */
  readonly retryAfterMs: number | null;

  constructor({ status, statusText, headers }: Response, body: unknown) {
    const problem = isProblem(body) ? body : notOurs(status, statusText);
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

/** Something between here and the api answered in its place. */
function notOurs(status: number, title: string): ProblemDocument {
  return { type: 'about:blank', title, status, detail: 'The answer is not one of the api.', errors: [] };
}
