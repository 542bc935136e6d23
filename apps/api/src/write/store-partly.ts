import type { Checked, NewAuditEvent, Problem } from '@auditbox/core/event/audit-event.ts';
import type { IdentifiedEvent, TracedEvent } from '@auditbox/db/events/event-record.ts';
import type { EachOutcome, StoredEvent } from '@auditbox/db/events/store-each.ts';
import { runInPieces } from '../http/long-work.ts';
import type { ApiParts } from '../parts.ts';
import { hideSecretsOf } from '../redact/redact.ts';
import type { PartStore } from './event-store.ts';
import { prepareEvent, type WriteRequest } from './prepare-event.ts';
import { type RefusedEvent, toDatabaseProblem, toRefusedEvent } from './record-for-caller.ts';

/** One event of a batch whose events stand for themselves. */
export type PartOutcome =
  | { readonly kind: 'stored'; readonly event: StoredEvent }
  /** The first thing that is wrong with it, without secrets. */
  | { readonly kind: 'refused'; readonly problem: Problem };

/** Events that share a statement. One that is refused makes the others of its statement wait for a second one. */
const eventsPerStatement = 500;

/**
 * Stores every event that can be stored, and says of each what became of it, in order. Throws errors that concern all
 * events, such as a database that is down, and a 503 if the database refused an event that is right: callers drop events
 * that are refused. Some may be stored then. The 503 is not thrown if the same request again would store an event twice.
 */
export async function storePartly(
  { store, metrics }: Pick<ApiParts, 'store' | 'metrics'>,
  given: readonly Checked<NewAuditEvent>[],
  request: WriteRequest,
): Promise<PartOutcome[]> {
  const parts = store.openParts();
  const { outcomes, ready } = await runInPieces(prepareEach(given, request, parts));
  let isRepeatable = true;
  let wrong: RefusedEvent | null = null;
  for (let at = 0; at < ready.length; at += eventsPerStatement) {
    const part = ready.slice(at, at + eventsPerStatement);
    const each = await parts.storeEach(part.map(({ event }) => event));
    // They are stored, whatever becomes of the request.
    metrics.stored(each.flatMap((outcome) => (outcome.stored ? [outcome.event] : [])));
    for (const [place, { index, event }] of part.entries()) {
      const outcome = each[place] as EachOutcome;
      const refused = outcome.stored ? null : requireRefusedEvent(outcome.error, event);
      if (refused !== null && refused.status >= 500) wrong ??= refused;
      if (outcome.stored && given[index]?.ok && !hasLastingId(given[index].value, request)) isRepeatable = false;
      outcomes.set(index, toOutcome(outcome, refused, index, event));
    }
  }
  if (wrong !== null && isRepeatable) throw toDatabaseProblem(wrong);
  return given.map((_event, index) => outcomes.get(index) as PartOutcome);
}

interface Ready {
  readonly index: number;
  readonly event: IdentifiedEvent;
}

/** Works in small steps: events are hashed and redacted. */
function* prepareEach(
  given: readonly Checked<NewAuditEvent>[],
  request: WriteRequest,
  parts: PartStore,
): Generator<void, { readonly outcomes: Map<number, PartOutcome>; readonly ready: readonly Ready[] }> {
  const outcomes = new Map<number, PartOutcome>();
  const ready: Ready[] = [];
  for (const [index, read] of given.entries()) {
    yield;
    const prepared = read.ok ? yield* prepareEvent(read.value, request, index) : null;
    if (prepared?.kind === 'ready') ready.push({ index, event: parts.identify(prepared.event) });
    else outcomes.set(index, refuse(index, read, prepared?.problems ?? []));
  }
  return { outcomes, ready };
}

function refuse(index: number, read: Checked<NewAuditEvent>, problems: readonly Problem[]): PartOutcome {
  const [first] = read.ok
    ? problems.map(({ path, message }) => ({ path: `[${index}].${path}`, message }))
    : read.problems;
  return { kind: 'refused', problem: hideSecretsOf(first ?? { path: `[${index}]`, message: 'is refused' }) };
}

/** Whether the event gets the same id when it is sent again. */
function hasLastingId({ id }: NewAuditEvent, { repeatable }: WriteRequest): boolean {
  return id !== null || repeatable !== null;
}

/** Throws an error that is not about an event. */
function requireRefusedEvent(error: Error, { occurredAt }: IdentifiedEvent): RefusedEvent {
  const refused = toRefusedEvent(error, () => occurredAt);
  if (refused === null) throw error;
  return refused;
}

function toOutcome(outcome: EachOutcome, refused: RefusedEvent | null, index: number, event: TracedEvent): PartOutcome {
  if (outcome.stored) return { kind: 'stored', event: outcome.event };
  if (refused === null) throw outcome.error;
  const path = `[${index}].${refused.field}`;
  return { kind: 'refused', problem: hideSecretsOf({ path, message: describeRefusedEvent(refused, event) }) };
}

function describeRefusedEvent({ status, message }: RefusedEvent, { origin }: TracedEvent): string {
  if (status === 409 && origin?.isExact === true)
    return 'The header Idempotency-Key was sent before with another body.';
  return status >= 500 ? `${message} Nothing is wrong with the event; send it again.` : message;
}
