import { hash } from 'node:crypto';
import type { Problem } from '@auditbox/core/event/audit-event.ts';
import {
  AuditConflictError,
  ClosedMonthError,
  DetachedMonthError,
  FutureEventError,
  TooManyMonthsError,
  UnreadableValueError,
} from '@auditbox/db/events/event-refused-error.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Request, Response } from 'express';
import { getCaller } from '../http/caller.ts';
import { HttpProblem, type RejectReason } from '../http/problem.ts';
import { getTraceparent } from '../http/tracing.ts';
import type { ApiParts } from '../parts.ts';
import { readIdempotencyKey } from './idempotency-key.ts';
import type { Prepared, WriteRequest } from './prepare-event.ts';

/** What all events of a request to write have in common. `body` is its text. */
export async function readWriteRequest(
  request: Request,
  response: Response,
  body: string,
  { settings, contentHasher, redactor, metrics }: Pick<ApiParts, 'settings' | 'contentHasher' | 'redactor' | 'metrics'>,
): Promise<WriteRequest> {
  const key = readIdempotencyKey(request);
  return {
    caller: getCaller(response),
    traceparent: getTraceparent(response),
    hasher: await contentHasher(),
    redactor,
    countRedacted: metrics.redacted,
    repeatable: key === null ? null : { key, bodyHash: hash('sha256', body) },
    oldestEventDays: settings.oldestEventDays,
    nowMs: Date.now(),
    placeOfId: new Map(),
  };
}

type Refused = Exclude<Prepared, { readonly kind: 'ready' }>;

/** The problem document of events that the caller may not write. */
export function toWriteProblem({ kind }: Refused, errors: readonly Problem[]): HttpProblem {
  switch (kind) {
    case 'forbidden':
      return new HttpProblem(403, 'This key may not write such an event. Nothing was stored.', { errors });
    case 'too old':
      return new HttpProblem(422, 'An event is too old. Nothing was stored.', { errors });
    case 'repeated id':
      return new HttpProblem(422, 'Two events have the same id. Nothing was stored.', { errors });
    default:
      return kind satisfies never;
  }
}

/** Why the database refused one event, as HTTP says it. */
export interface RefusedEvent {
  readonly status: number;
  readonly index: number;
  readonly field: string;
  readonly message: string;
  readonly rejectReason: RejectReason;
}

/** Null for an error that is not about an event. */
export function explainRefusal(error: unknown): RefusedEvent | null {
  const refuse = (
    status: number,
    field: string,
    { index, message }: { readonly index: number; readonly message: string },
    rejectReason: RejectReason,
  ): RefusedEvent => ({ status, index, field, message, rejectReason });
  if (error instanceof AuditConflictError) return refuse(409, 'id', error, 'conflict');
  if (error instanceof FutureEventError) return refuse(422, 'updated_at', error, 'in the future');
  if (error instanceof ClosedMonthError || error instanceof TooManyMonthsError)
    return refuse(422, 'updated_at', error, 'invalid');
  if (error instanceof UnreadableValueError) return refuse(422, error.path, error, 'invalid');
  if (error instanceof DetachedMonthError) return refuse(503, 'updated_at', error, 'database');
  return null;
}

const reusedKey = 'The header Idempotency-Key was sent before with another body.';

/**
 * Runs a write. An event that the database refuses becomes a 409 or 422 that names its place in the body; `printPath`
 * prints that place in the form of the route. `isDerived` is whether the event at an index has its id from the header.
 */
export async function recordEvents<T>(
  write: () => Promise<T>,
  printPath: (index: number, field: string) => string,
  isDerived: (index: number) => boolean,
): Promise<T> {
  try {
    crashPoint('api before the write');
    const written = await write();
    crashPoint('api after the commit');
    return written;
  } catch (error) {
    const refused = explainRefusal(error);
    if (refused === null) throw error;
    const { status, index, field, message, rejectReason } = refused;
    if (status === 409 && isDerived(index)) {
      const errors = [{ path: 'Idempotency-Key', message: 'was sent before with another body' }];
      throw new HttpProblem(422, reusedKey, { errors, rejectReason });
    }
    throw new HttpProblem(status, message, { errors: [{ path: printPath(index, field), message }], rejectReason });
  }
}
