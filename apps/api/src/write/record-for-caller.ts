import { hash } from 'node:crypto';
import type { Problem } from '@auditbox/core/event/audit-event.ts';
import type { EventTime } from '@auditbox/core/event/event-time.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import {
  AuditConflictError,
  ClosedMonthError,
  DetachedMonthError,
  FutureEventError,
  TooManyMonthsError,
  UnreadableValueError,
} from '@auditbox/db/events/event-refused-error.ts';
import { toMonth } from '@auditbox/db/months/make-months.ts';
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

/** Why the database refused one event, as HTTP says it. From 500 on, nothing is wrong with the event. */
export interface RefusedEvent {
  readonly status: number;
  readonly index: number;
  readonly field: string;
  readonly message: string;
  readonly rejectReason: RejectReason;
}

/** Null for an error that is not about an event. `timeAt` gives the time of the event at an index, if it has one. */
export function toRefusedEvent(error: unknown, timeAt: (index: number) => EventTime | null): RefusedEvent | null {
  const refuse = (
    status: number,
    field: string,
    { index, message }: { readonly index: number; readonly message: string },
    rejectReason: RejectReason,
  ): RefusedEvent => ({ status, index, field, message, rejectReason });
  const blame = (index: number, message: string) => refuse(503, 'updated_at', { index, message }, 'database');
  if (error instanceof AuditConflictError) return refuse(409, 'id', error, 'conflict');
  if (error instanceof FutureEventError) {
    const { index, cell } = error;
    // A caller must not lose an event because the clock of a database is wrong.
    return isAhead(timeAt(index))
      ? refuse(422, 'updated_at', error, 'in the future')
      : blame(index, `The clock of ${nameDatabase(cell)} is more than 5 minutes behind the clock of this process.`);
  }
  if (error instanceof ClosedMonthError) {
    const { index, cell } = error;
    return isInPastMonth(timeAt(index))
      ? refuse(422, 'updated_at', error, 'invalid')
      : blame(index, `In ${nameDatabase(cell)}, retention is removing a month that is not over. Its clock was ahead.`);
  }
  if (error instanceof TooManyMonthsError) return refuse(422, 'updated_at', error, 'invalid');
  if (error instanceof UnreadableValueError) return refuse(422, error.path, error, 'invalid');
  if (error instanceof DetachedMonthError) return refuse(503, 'updated_at', error, 'database');
  return null;
}

const mostAheadMs = 300_000;

/** Whether the event is too far in the future for this process too. An event without a time has the database's. */
function isAhead(time: EventTime | null): boolean {
  return time !== null && Date.parse(time.utc) > Date.now() + mostAheadMs;
}

/** Retention is at least a day, so it removes no month before. */
function isInPastMonth(time: EventTime | null): boolean {
  return time !== null && toMonth(time.utc) < toMonth(new Date().toISOString());
}

function nameDatabase(cell: string | null): string {
  return cell === null ? 'the database' : `the cell ${cell}`;
}

const reusedKey = 'The header Idempotency-Key was sent before with another body.';

/**
 * Runs a write. An event that the database refuses becomes a 409 or 422 that names its place in the body; `printPath`
 * prints that place in the form of the route. It becomes a 503 if nothing is wrong with the event. `eventAt` gives the
 * event at an index.
 */
export async function recordEvents<T>(
  write: () => Promise<T>,
  printPath: (index: number, field: string) => string,
  eventAt: (index: number) => TracedEvent | undefined,
): Promise<T> {
  try {
    crashPoint('api before the write');
    const written = await write();
    crashPoint('api after the commit');
    return written;
  } catch (error) {
    const refused = toRefusedEvent(error, (index) => eventAt(index)?.occurredAt ?? null);
    if (refused === null) throw error;
    const { status, index, field, message, rejectReason } = refused;
    if (status === 409 && eventAt(index)?.origin?.isExact === true) {
      const errors = [{ path: 'Idempotency-Key', message: 'was sent before with another body' }];
      throw new HttpProblem(422, reusedKey, { errors, rejectReason });
    }
    if (status >= 500) throw toDatabaseProblem(refused);
    throw new HttpProblem(status, message, { errors: [{ path: printPath(index, field), message }], rejectReason });
  }
}

/** The problem of an event that is right, and that the database refused. */
export function toDatabaseProblem({ message, rejectReason }: RefusedEvent): HttpProblem {
  const headers = { 'retry-after': '1' };
  return new HttpProblem(503, message, { headers, rejectReason, code: 'database-misconfigured' });
}
