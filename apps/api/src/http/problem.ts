import { STATUS_CODES } from 'node:http';
import type { Problem } from '@auditbox/core/event/audit-event.ts';
import { type DatabaseError, toDatabaseError } from '@auditbox/db/database/database-error.ts';
import type { ErrorRequestHandler } from 'express';
import type { Logger } from 'pino';

/** Why events were not stored, for the metrics. */
export type Refusal =
  | 'unreadable'
  | 'invalid'
  | 'in the future'
  | 'conflict'
  | 'too large'
  | 'no key'
  | 'no scope'
  | 'overload'
  | 'database'
  | 'fault';

/** An answer that is an error: becomes an RFC 9457 problem document (https://www.rfc-editor.org/rfc/rfc9457). */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code = 'HTTP_PROBLEM';
  readonly status: number;
  readonly errors: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;
  readonly refusal: Refusal;

  constructor(
    status: number,
    detail: string,
    {
      errors = [],
      headers = {},
      refusal = refusalOf(status),
    }: { errors?: readonly Problem[]; headers?: Readonly<Record<string, string>>; refusal?: Refusal } = {},
  ) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.headers = headers;
    this.refusal = refusal;
  }
}

/** Express's last handler: every error leaves as a problem document, and what is our fault is logged with its cause. */
export function problemHandler(logger: Logger, onWriteRefused: (refusal: Refusal) => void): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const problem = toProblem(error);
    if (request.method === 'POST' && request.route !== undefined) onWriteRefused(problem.refusal);
    if (problem.status >= 500) {
      logger.error({ err: error, method: request.method, path: request.path, status: problem.status }, problem.message);
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { status, message: detail, errors, headers } = problem;
    const document = { type: 'about:blank', title: STATUS_CODES[status], status, detail, errors };
    response.status(status).set(headers).type('application/problem+json').send(JSON.stringify(document));
  };
}

function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  const fault = toDatabaseError(error);
  if (isClientError(error)) return new HttpProblem(error.status, clientErrorDetail(error));
  if (fault && (fault.retry || isSetUpWrong(fault))) {
    // Addresses and names of ours are for the log, not for callers.
    const why = isSetUpWrong(fault)
      ? 'is not set up correctly'
      : fault.kind === 'timeout'
        ? 'did not answer in time'
        : 'is not available now';
    const refusal = fault.kind === 'busy' ? 'overload' : 'database';
    return new HttpProblem(503, `The database ${why} (${fault.code}).`, { headers: { 'retry-after': '1' }, refusal });
  }
  return new HttpProblem(500, 'Something went wrong here; nothing was stored unless an earlier answer said so.');
}

/** A person must change login, rights or tables first. */
function isSetUpWrong({ kind }: DatabaseError): boolean {
  return kind === 'misconfigured' || kind === 'schema';
}

function refusalOf(status: number): Refusal {
  switch (status) {
    case 401:
      return 'no key';
    case 403:
      return 'no scope';
    case 409:
      return 'conflict';
    case 413:
      return 'too large';
    case 422:
      return 'invalid';
    default:
      return status >= 500 ? 'fault' : 'unreadable';
  }
}

/** What Express and its body parser throw about a request. */
interface ClientError {
  readonly status: number;
  readonly type?: string;
  readonly limit?: number;
  readonly message: string;
}

function isClientError(error: unknown): error is ClientError {
  const status = (error as Partial<ClientError> | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500;
}

function clientErrorDetail({ type, limit, message }: ClientError): string {
  if (type === 'entity.too.large') return `The body is larger than ${limit} bytes.`;
  return `The request cannot be read: ${message}.`;
}
