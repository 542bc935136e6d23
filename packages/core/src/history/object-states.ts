import { printPatch } from '../json/json-patch.ts';
import { compactText, type JsonText, objectMembers } from '../json/json-text.ts';
import { changesBetween } from './changes-between.ts';

/** Actions for which every writer records the whole state. */
const wholeActions = new Set(['created', 'deleted', 'rotated']);

/** Longest `before` plus `after`, in UTF-16 units. Comparing a deeply nested megabyte would block the process for a second. */
const maxLength = 200_000;

/** An event on the wire with its changes, and the object's state after it. The state is null when deleted or unknown. */
export interface ObjectStep {
  /** The event's JSON plus the member `changes`: a JSON Patch (RFC 6902), or null when the values are too large to compare. */
  readonly json: string;
  readonly state: JsonText | null;
}

/**
 * Compares an event's `updated_values` with its `before_value`, or with the state after the previous event when
 * `before_value` is absent. When `partial` is null, the action decides.
 */
export function objectStep(event: string, stateBefore: JsonText | null, partial: boolean | null): ObjectStep {
  const { before, after, isPartial, result } = readStates(event, stateBefore, partial);
  const isTooLarge = (before?.length ?? 0) + (after?.length ?? 0) > maxLength;
  const changes = isTooLarge ? 'null' : printPatch(changesBetween(before, after, { partial: isPartial }));
  return { json: `${event.slice(0, -1)},"changes":${changes}}`, state: result };
}

/** The state of an object after its events, oldest first, as far as the events record it. */
export function stateAfter(events: readonly string[], partial: boolean | null): JsonText | null {
  return events.reduce<JsonText | null>((state, event) => readStates(event, state, partial).result, null);
}

interface States {
  readonly before: JsonText | null;
  readonly after: JsonText | null;
  /** Whether members that `after` does not contain are unchanged. */
  readonly isPartial: boolean;
  /** The state after the event. */
  readonly result: JsonText | null;
}

function readStates(event: string, stateBefore: JsonText | null, partial: boolean | null): States {
  const members = new Map(objectMembers(event).map(({ name, value }) => [name, compactText(event, value)]));
  const memberValue = (name: string): JsonText | null => {
    const value = members.get(name) ?? null;
    return value === 'null' ? null : value;
  };
  const action: unknown = JSON.parse(members.get('action') ?? '""');
  const isDeleted = action === 'deleted';
  const isPartial = !isDeleted && (partial ?? !wholeActions.has(String(action)));
  const before = memberValue('before_value') ?? stateBefore;
  const after = isDeleted ? null : memberValue('updated_values');
  return { before, after, isPartial, result: isPartial ? merge(before, after) : after };
}

/** The members of `before`, replaced or extended by the members of `after`. */
function merge(before: JsonText | null, after: JsonText | null): JsonText | null {
  if (after === null) return before;
  if (!before?.startsWith('{') || !after.startsWith('{')) return after;
  const merged = new Map(
    [before, after].flatMap((text) => objectMembers(text).map(({ name, value }) => [name, compactText(text, value)])),
  );
  return `{${[...merged].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}` as JsonText;
}
