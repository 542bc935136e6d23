import { type Archived, archiveStates } from '../events/archive-state.ts';
import { type AuditEvent, membersOf, readEvent } from '../events/event.ts';
import { call } from '../http/call.ts';

export interface FoundEvent {
  readonly event: AuditEvent;
  readonly archived: Archived;
}

/** One event. Its line in the archive is the answer without the member that says where the archived copy is. */
export async function loadEvent(id: string, signal: AbortSignal): Promise<FoundEvent> {
  const text = await (await call(`/audit/${id}`, { signal })).text();
  const archived = JSON.parse(membersOf(text).get('export') ?? '{}') as Archived;
  const line = `${text.slice(0, text.lastIndexOf(',"export":'))}}`;
  const state = archived.state in archiveStates ? archived.state : 'pending';
  return { event: readEvent(line), archived: { ...archived, state } };
}
