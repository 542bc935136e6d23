import { writePathPart } from '@auditbox/core/text/path-part.ts';
import { type Archived, archiveStates, type Delivery } from '../events/archive-state.ts';
import { type AuditEvent, membersOf, readEvent } from '../events/event.ts';
import { call } from '../http/call.ts';

export interface FoundEvent {
  readonly event: AuditEvent;
  readonly archived: Archived;
  /** To every destination, the archive too. */
  readonly deliveries: readonly Delivery[];
}

/** One event. Its line in the archive is the answer without the members that say where its copies are. */
export async function loadEvent(id: string, signal: AbortSignal): Promise<FoundEvent> {
  const text = await (await call(`/audit/${writePathPart(id)}`, { signal })).text();
  const members = membersOf(text);
  const archived = JSON.parse(members.get('export') ?? '{}') as Archived;
  const deliveries = JSON.parse(members.get('deliveries') ?? '[]') as Delivery[];
  const line = `${text.slice(0, text.lastIndexOf(',"export":'))}}`;
  const state = archived.state in archiveStates ? archived.state : 'pending';
  return { event: readEvent(line), archived: { ...archived, state }, deliveries };
}
