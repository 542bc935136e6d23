import { STATUS_CODES } from 'node:http';
import { maxProblems, type Problem } from '@auditbox/core/event/audit-event.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { needsOperator, publicSentence } from '@auditbox/db/database/public-sentence.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import type { ErrorRequestHandler } from 'express';
import { z } from 'zod';
import { CellsDifferError } from '../cells/cells-differ-error.ts';
import type { ApiLog } from '../log.ts';
import { hideSecrets, hideSecretsOf } from '../redact/redact.ts';
import { breakConnection } from './break-connection.ts';
import { defaultCode, type ErrorCode, errorCodes } from './error-codes.ts';
import { getRequestId } from './request-id.ts';

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
    type: z
      .string()
      .describe('`about:blank`, or the URI of a problem type of https://www.iana.org/assignments/http-problem-types.'),
    title: z.string().describe("The status in HTTP's words."),
    status: z.int(),
    code: z
      .enum(Object.keys(errorCodes) as ErrorCode[])
      .describe('Stable, for programs. docs/errors.md explains each.'),
    request_id: z.string().describe('The `X-Request-Id` of the answer. The log of the api has it too.'),
    detail: z.string().describe('What is wrong, in a sentence.'),
    errors: z
      .array(
        z.strictObject({
          path: z.string().describe('A parameter, or a place in the body: `[17].action`. Empty for the whole body.'),
          message: z.string(),
        }),
      )
      .describe('Every mistake of the request, 100 at most. Empty when no place in the request is wrong.'),
    'violated-policies': z.array(z.string()).optional().describe('Of `quota-exceeded`: names in `RateLimit-Policy`.'),
  })
  .meta({ id: 'ProblemDocument', description: 'A problem document (RFC 9457).' });

/** Thrown by a handler; becomes a problem document. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: ErrorCode;
  readonly status: number;
  readonly errors: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;
  readonly rejectReason: RejectReason;
  /** Limits that the request would exceed. */
  readonly violatedPolicies: readonly string[];

  constructor(
    status: number,
    detail: string,
    {
      errors = [],
      headers = {},
      rejectReason = defaultRejectReason(status),
      code = defaultCode(status),
      violatedPolicies = [],
    }: {
      errors?: readonly Problem[];
      headers?: Readonly<Record<string, string>>;
      rejectReason?: RejectReason;
      code?: ErrorCode;
      violatedPolicies?: readonly string[];
    } = {},
  ) {
    super(detail);
    this.status = status;
    // Printing 10,000 of them would hold the process.
    this.errors = errors.slice(0, maxProblems);
    this.headers = headers;
    this.rejectReason = rejectReason;
    this.code = code;
    this.violatedPolicies = violatedPolicies;
  }
}

/** The problem type of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/. */
const quotaExceeded = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

/** Express's last handler: answers every error with a problem document, and logs those that are not the caller's. */
export function answerProblems(log: ApiLog): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const problem = toProblem(error);
    const { status, headers } = problem;
    const requestId = getRequestId(response);
    if (status >= 500)
      log.requestFailed(error, { method: request.method, path: hideSecrets(request.path), status, requestId });
    if (response.headersSent) {
      breakConnection(response.socket);
      return;
    }
    try {
      response.status(status).set(headers).type('application/problem+json').send(printProblem(problem, requestId));
    } catch {
      // A header that the handler left does not fit. An error that nobody catches would end the process.
      breakConnection(response.socket);
    }
  };
}

/** The problem document as JSON. */
export function printProblem(
  { status, code, message: detail, errors, violatedPolicies }: HttpProblem,
  requestId: string,
): string {
  const isQuota = violatedPolicies.length > 0;
  return JSON.stringify({
    type: isQuota ? quotaExceeded : 'about:blank',
    title: STATUS_CODES[status],
    status,
    code,
    request_id: requestId,
    // Answers end up in the logs of callers.
    detail: hideSecrets(withCommands(detail)),
    errors: errors.map(hideSecretsOf),
    ...(isQuota && { 'violated-policies': violatedPolicies }),
  });
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
    const rejectReason = error.kind === 'busy' ? 'overload' : 'database';
    const headers = { 'retry-after': '1' };
    return new HttpProblem(503, publicSentence(error), { headers, rejectReason, code: databaseCode(error) });
  }
  if (error instanceof CellsDifferError) {
    const headers = { 'retry-after': '1' };
    return new HttpProblem(503, error.message, { headers, rejectReason: 'database', code: 'database-misconfigured' });
  }
  return new HttpProblem(500, 'Internal error. This request stored nothing.');
}

function databaseCode(error: DatabaseError): ErrorCode {
  if (needsOperator(error)) return 'database-misconfigured';
  if (error.kind === 'timeout') return 'database-timeout';
  return error.kind === 'busy' ? 'database-busy' : 'database-unavailable';
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
