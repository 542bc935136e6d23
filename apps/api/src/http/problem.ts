import { STATUS_CODES } from 'node:http';
import type { Problem } from '@auditbox/core/event/audit-event.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { isSequenceBehind } from '@auditbox/db/events/event-refused-error.ts';
import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import type { ApiLog } from '../log.ts';

/** Why a request to record events was rejected, for the metrics. */
export type RejectReason =
  | 'unreadable'
  | 'invalid'
  | 'in the future'
  | 'conflict'
  | 'too large'
  | 'no key'
  | 'no scope'
  | 'overload'
  | 'database'
  | 'error';

/** The body of every error (https://www.rfc-editor.org/rfc/rfc9457). */
export const problemDocument = z
  .strictObject({
    type: z.literal('about:blank'),
    title: z.string().describe("The status in HTTP's words."),
    status: z.int(),
    detail: z.string().describe('What is wrong, in a sentence.'),
    errors: z
      .array(
        z.strictObject({
          path: z.string().describe('A parameter, or a place in the body: `[17].action`. Empty for the whole body.'),
          message: z.string(),
        }),
      )
      .describe('Every mistake of the request, 100 at most. Empty when no place in the request is wrong.'),
  })
  .meta({ id: 'ProblemDocument', description: 'A problem document (RFC 9457).' });

/** Thrown by a handler; becomes a problem document. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code = 'HTTP_PROBLEM';
  readonly status: number;
  readonly errors: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;
  readonly rejectReason: RejectReason;

  constructor(
    status: number,
    detail: string,
    {
      errors = [],
      headers = {},
      rejectReason = defaultRejectReason(status),
    }: {
      errors?: readonly Problem[];
      headers?: Readonly<Record<string, string>>;
      rejectReason?: RejectReason;
    } = {},
  ) {
    super(detail);
    this.status = status;
    this.errors = errors;
    this.headers = headers;
    this.rejectReason = rejectReason;
  }
}

/** Express's last handler: answers every error with a problem document, and logs those that are not the caller's. */
export function answerProblems(log: ApiLog): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const { status, message: detail, errors, headers } = toProblem(error);
    if (status >= 500) log.requestFailed(error, { method: request.method, path: request.path, status });
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const document = { type: 'about:blank', title: STATUS_CODES[status], status, detail, errors };
    response.status(status).set(headers).type('application/problem+json').send(JSON.stringify(document));
  };
}

/** An error handler for routes that record events: counts each rejected request by its reason. */
export function countRejects(count: (reason: RejectReason) => void): ErrorRequestHandler {
  return (error: unknown, _request, _response, next) => {
    count(toProblem(error).rejectReason);
    next(error);
  };
}

function toProblem(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (isClientError(error)) return new HttpProblem(error.status, describeClientError(error));
  if (error instanceof DatabaseError && (error.retry || needsOperator(error))) {
    // Addresses and names of databases are for the log, not for callers.
    const detail = `The database ${describeState(error)} (${error.code}).`;
    const rejectReason = error.kind === 'busy' ? 'overload' : 'database';
    return new HttpProblem(503, detail, { headers: { 'retry-after': '1' }, rejectReason });
  }
  return new HttpProblem(500, 'Internal error. This request stored nothing.');
}

/** A person must change the login, the rights, the tables, the sequence or this version first. */
function needsOperator(error: DatabaseError): boolean {
  return ['misconfigured', 'schema', 'newer schema'].includes(error.kind) || isSequenceBehind(error);
}

function describeState(error: DatabaseError): string {
  if (error.kind === 'newer schema') return 'has a schema that is too new for this version of Auditbox';
  if (needsOperator(error)) return 'is not set up correctly';
  return error.kind === 'timeout' ? 'did not answer in time' : 'is not available now';
}

function defaultRejectReason(status: number): RejectReason {
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
      return status >= 500 ? 'error' : 'unreadable';
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

function describeClientError({ type, limit, message }: ClientError): string {
  if (type === 'entity.too.large') return `The body is larger than ${limit} bytes.`;
  return `The request is unreadable: ${message}.`;
}
