import type { JsonText } from '@auditbox/core/json/json-text.ts';
import type { AuditEvent } from '../events/event.ts';
import { membersOf } from '../events/event.ts';
import { compareValues, type DiffNode, isPatch } from './compare.ts';

/** One changed place: a path in words, and what stood and stands there. Null: nothing. */
export interface Change {
  readonly path: string;
  readonly before: JsonText | null;
  readonly after: JsonText | null;
}

/** The changed places of a diff, in the order of the document. */
export function listChanges(node: DiffNode | null): Change[] {
  const changes: Change[] = [];
  const walk = (one: DiffNode, path: string): void => {
    if (one.kind === 'added') changes.push({ path, before: null, after: one.text });
    else if (one.kind === 'removed') changes.push({ path, before: one.text, after: null });
    else if (one.kind === 'replaced') changes.push({ path, before: one.before, after: one.after });
    else if (one.kind === 'object' || one.kind === 'array')
      for (const { name, node: child } of one.children) walk(child, path === '' ? String(name) : `${path}.${name}`);
  };
  if (node !== null) walk(node, '');
  return changes;
}

/** The change of an event in one line of a list. */
export interface Summary {
  readonly first: Change | null;
  /** Places beyond the first. */
  readonly more: number;
  /** Used where there is no single change to show. */
  readonly words: string | null;
}

/** Longest values that a list compares; beyond it the row says only that they are large. */
const maxCompared = 100_000;

export function summarize({ action, before, after }: Pick<AuditEvent, 'action' | 'before' | 'after'>): Summary {
  if ((before?.length ?? 0) + (after?.length ?? 0) > maxCompared)
    return { first: null, more: 0, words: 'large values' };
  const whole = action === 'created' ? after : action === 'deleted' ? (before ?? after) : null;
  if (whole !== null) return { first: null, more: 0, words: countFields(whole) };
  const changes = listChanges(compareValues(before, after, isPatch(action)));
  const [first, ...others] = changes;
  if (first === undefined)
    return { first: null, more: 0, words: before === null && after === null ? 'no values' : 'no difference' };
  if (first.path === '')
    return { first: null, more: 0, words: countFields(first.after ?? first.before ?? ('null' as JsonText)) };
  return { first, more: others.length, words: null };
}

function countFields(value: JsonText): string {
  if (!value.startsWith('{')) return 'a value';
  const fields = membersOf(value).size;
  return fields === 1 ? '1 field' : `${fields} fields`;
}
