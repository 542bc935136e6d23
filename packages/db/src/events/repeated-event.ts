import type { Steps } from '@auditbox/core/steps.ts';
import type { IdentifiedEvent } from './event-record.ts';
import { sameContent } from './same-content.ts';

/** What a comparison needs of the event that is stored under an id. */
export interface StoredContent {
  readonly recordedBy: string;
  /** Whether the login of this session wrote it by SQL, or its writer is unknown. */
  readonly isByLogin: boolean;
  /** 32 hexadecimal digits; null if a service wrote the event by SQL. */
  readonly contentHash: string | null;
  readonly isRedacted: boolean;
  /** The event in its form on the wire. */
  readonly json: string;
}

/** The columns of StoredContent, for a row `a` of audit_log. */
export const storedContent = `a.recorded_by as "recordedBy",
    a.recorded_by in ('', 'sql:' || session_user) as "isByLogin", encode(a.content_hash, 'hex') as "contentHash",
    a.redacted is not null as "isRedacted"`;

/**
 * Whether an event is the stored one again: of the same writer, with the same content. The hash decides almost always. Where
 * it differs, the texts may still be equal JSON. A redacted value cannot be compared, so there only the hash counts.
 */
export function* isRepeated(event: IdentifiedEvent, stored: StoredContent): Steps<boolean> {
  const { origin } = event;
  if (origin === undefined) return stored.isByLogin && (yield* sameContent(event, stored.json));
  if (stored.recordedBy !== origin.recordedBy && stored.recordedBy !== '') return false;
  if (stored.contentHash !== null && stored.contentHash === origin.contentHash) return true;
  return origin.isExact !== true && !stored.isRedacted && (yield* sameContent(event, stored.json));
}

/** The words are the same for every reason, so that nobody learns what another writer's event holds. */
export function conflictMessage(id: string): string {
  return `The id ${id} is taken by an event of another writer, by one with other content, or by one that retention removed.`;
}
