import type { JsonText } from '@auditbox/core/json/json-text.ts';
import { writePathPart } from '@auditbox/core/text/path-part.ts';
import { type AuditEvent, elementsOf, membersOf, readEvent } from '../events/event.ts';
import { call } from '../http/call.ts';

/** An event of one object, and what it changed from the state before. */
export interface HistoryStep {
  readonly event: AuditEvent;
  /** Null: the values are too large to compare. */
  readonly changes: readonly Operation[] | null;
}

/** A step of the JSON Patch that the api made. Values stay text. */
export interface Operation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly names: readonly string[];
  /** In words: `limits.rpm`. */
  readonly path: string;
  readonly value: JsonText | null;
}

export interface History {
  /** Oldest first. */
  readonly steps: readonly HistoryStep[];
  readonly next: string | null;
}

export async function loadHistory(
  table: string,
  object: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<History> {
  const search = new URLSearchParams({ page_size: '100', ...(cursor !== null && { cursor }) });
  const response = await call(`/audit/objects/${writePathPart(table)}/${writePathPart(object)}?${search}`, { signal });
  const members = membersOf(await response.text());
  return {
    steps: elementsOf(members.get('audit_logs') ?? '[]').map(readStep),
    next: JSON.parse(members.get('next_cursor') ?? 'null') as string | null,
  };
}

function readStep(text: string): HistoryStep {
  const changes = membersOf(text).get('changes') ?? 'null';
  // The line of the archive does not have this member.
  const line = `${text.slice(0, text.lastIndexOf(',"changes":'))}}`;
  return {
    event: readEvent(line),
    changes: changes === 'null' ? null : elementsOf(changes).map(readOperation).flatMap(eachMember),
  };
}

/** A created object is one step with all of it. A line for each member is easier to read. */
function eachMember(operation: Operation): Operation[] {
  const { op, names, value } = operation;
  if (op !== 'add' || names.length > 0 || !value?.startsWith('{')) return [operation];
  return [...membersOf(value)].map(([name, text]) => ({ op, names: [name], path: name, value: text as JsonText }));
}

function readOperation(text: string): Operation {
  const members = membersOf(text);
  const pointer = JSON.parse(members.get('path') ?? '""') as string;
  const names = pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  return {
    op: JSON.parse(members.get('op') ?? '"add"') as Operation['op'],
    names,
    path: names.join('.'),
    value: (members.get('value') as JsonText | undefined) ?? null,
  };
}
