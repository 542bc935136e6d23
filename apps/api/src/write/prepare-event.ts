import type { NewAuditEvent, Problem } from '@auditbox/core/event/audit-event.ts';
import { findBoundsProblems } from '@auditbox/core/keys/key-bounds.ts';
import type { RedactedEvent, Redactor } from '@auditbox/core/redact/redact-event.ts';
import type { Steps } from '@auditbox/core/steps.ts';
import type { ContentHasher } from '@auditbox/db/events/content-hash.ts';
import type { TracedEvent } from '@auditbox/db/events/event-record.ts';
import type { Caller } from '../http/caller.ts';

/** What a request says about all of its events. */
export interface WriteRequest {
  readonly caller: Caller;
  readonly traceparent: string | undefined;
  readonly hasher: ContentHasher;
  /** Null: secrets are stored as they are sent. */
  readonly redactor: Redactor | null;
  /** Counts what was redacted, by kind. */
  readonly countRedacted: (kinds: readonly string[]) => void;
  /** From `Idempotency-Key`, with the hash of the body; null without the header. */
  readonly repeatable: { readonly key: string; readonly bodyHash: string } | null;
  /** The limit of AUDIT_OLDEST_EVENT_DAYS. */
  readonly oldestEventDays: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  /** The places of the ids of this request so far, those that were derived from `Idempotency-Key` too. */
  readonly placeOfId: Map<string, number>;
}

/** An event that can be written, or why its caller may not write it. */
export type Prepared =
  | { readonly kind: 'ready'; readonly event: TracedEvent }
  | { readonly kind: 'forbidden'; readonly problems: readonly Problem[] }
  | { readonly kind: 'too old' | 'repeated id'; readonly problems: readonly Problem[] };

/** Adds to an event what the request knows of its caller, and checks that the caller may write it. Works in small steps. */
export function* prepareEvent(given: NewAuditEvent, request: WriteRequest, place: number): Steps<Prepared> {
  const { caller, traceparent, hasher, repeatable, redactor } = request;
  const forbidden = [...findTenantProblems(given, caller), ...findBoundsProblems(caller.bounds, caller.id, given)];
  if (forbidden.length > 0) return { kind: 'forbidden', problems: forbidden };
  const tooOld = findAgeProblem(given, request);
  if (tooOld !== null) return { kind: 'too old', problems: [tooOld] };
  const isExact = repeatable !== null && given.id === null;
  const event: NewAuditEvent = {
    ...given,
    id: isExact ? hasher.deriveId(nameWriter(caller), repeatable.key, place) : given.id,
    changedByApiKey: given.changedByApiKey ?? caller.id,
    tenant: caller.tenant.kind === 'one' ? caller.tenant.tenant : given.tenant,
  };
  const earlier = event.id === null ? undefined : request.placeOfId.get(event.id);
  if (earlier !== undefined)
    return { kind: 'repeated id', problems: [{ path: 'id', message: `is the id of [${earlier}] too` }] };
  if (event.id !== null) request.placeOfId.set(event.id, place);
  // Before the redaction: the same event with its secret again is the same event.
  const contentHash = hasher.hash(event, isExact ? repeatable.bodyHash : '');
  yield;
  const isClean = redactor === null || redactor.isClean(event);
  const { event: safe, redacted, kinds } = isClean ? withoutSecrets(event) : yield* redactor.redactEvent(event);
  if (kinds.length > 0) request.countRedacted(kinds);
  return {
    kind: 'ready',
    event: { ...safe, traceparent, origin: { recordedBy: caller.recordedBy, contentHash, redacted, isExact } },
  };
}

/** Whose `Idempotency-Key` it is. A key has one tenant; a person may have tokens of several, which must not know of each other. */
function nameWriter({ recordedBy, tenant }: Caller): string {
  return tenant.kind === 'one' && recordedBy.startsWith('oidc:') ? `${recordedBy}\n${tenant.tenant}` : recordedBy;
}

function withoutSecrets(event: NewAuditEvent): RedactedEvent {
  return { event, redacted: null, kinds: [] };
}

function findTenantProblems({ tenant }: NewAuditEvent, caller: Caller): Problem[] {
  if (tenant === '' || caller.tenant.kind === 'all' || tenant === caller.tenant.tenant) return [];
  return [{ path: 'tenant', message: 'is not the tenant of this key' }];
}

const dayMs = 86_400_000;

/**
 * Each month of events is a table, and a caller must not make hundreds. Only the day counts, so the clock of this process is
 * good enough.
 */
function findAgeProblem(
  { occurredAt }: NewAuditEvent,
  { caller, oldestEventDays, nowMs }: WriteRequest,
): Problem | null {
  if (occurredAt === null) return null;
  const ofKey = caller.bounds.oldest_event_days ?? Number.POSITIVE_INFINITY;
  const days = Math.min(ofKey, oldestEventDays);
  if (occurredAt.utc >= new Date(Math.max(0, nowMs - days * dayMs)).toISOString()) return null;
  const limit = ofKey < oldestEventDays ? 'the limit of this key' : 'the limit of AUDIT_OLDEST_EVENT_DAYS';
  return { path: 'updated_at', message: `is more than ${days} days ago, ${limit}` };
}
