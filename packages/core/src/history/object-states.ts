import { printPatch } from '../json/json-patch.ts';
import { compactText, type JsonText, objectMembers } from '../json/json-text.ts';
import { changesBetween } from './changes-between.ts';

/** Actions whose values are a whole state by any writer's habit. */
const wholeActions = new Set(['created', 'deleted', 'rotated']);

/** Of both values: a megabyte that nests deeply would take a second of everybody's. */
const maxLength = 200_000;

/** An event on the wire with what it changed, and the object's state after it; null is none, or one that nobody said. */
export interface ObjectStep {
  /** The event's JSON with the member `changes`, a JSON Patch (RFC 6902); null when the values are too large for one. */
  readonly json: string;
  readonly state: JsonText | null;
}

/**
 * What an event changed: from its `before_value`, or where it gives none from the state that the event before it left, to
 * its `updated_values`. `partial` null decides by the action.
 */
export function objectStep(event: string, stateBefore: JsonText | null, partial: boolean | null): ObjectStep {
  const { before, after, isPartial, left } = statesOf(event, stateBefore, partial);
  const isTooLarge = (before?.length ?? 0) + (after?.length ?? 0) > maxLength;
  const changes = isTooLarge ? 'null' : printPatch(changesBetween(before, after, { partial: isPartial }));
  return { json: `${event.slice(0, -1)},"changes":${changes}}`, state: left };
}

/** The state that events of one object leave, oldest first, as far as they tell. */
export function stateAfter(events: readonly string[], partial: boolean | null): JsonText | null {
  return events.reduce<JsonText | null>((state, event) => statesOf(event, state, partial).left, null);
}

interface States {
  readonly before: JsonText | null;
  readonly after: JsonText | null;
  /** Whether `after` leaves unsaid what it does not name. */
  readonly isPartial: boolean;
  readonly left: JsonText | null;
}

function statesOf(event: string, stateBefore: JsonText | null, partial: boolean | null): States {
  const members = new Map(objectMembers(event).map(({ name, value }) => [name, compactText(event, value)]));
  const valueIn = (name: string): JsonText | null => {
    const value = members.get(name) ?? null;
    return value === 'null' ? null : value;
  };
  const action: unknown = JSON.parse(members.get('action') ?? '""');
  const isDeleted = action === 'deleted';
  const isPartial = !isDeleted && (partial ?? !wholeActions.has(String(action)));
  const before = valueIn('before_value') ?? stateBefore;
  const after = isDeleted ? null : valueIn('updated_values');
  return { before, after, isPartial, left: isPartial ? merge(before, after) : after };
}

/** The members of the first, those of the second in their place. */
function merge(before: JsonText | null, after: JsonText | null): JsonText | null {
  if (after === null) return before;
  if (!before?.startsWith('{') || !after.startsWith('{')) return after;
  const merged = new Map(
    [before, after].flatMap((text) => objectMembers(text).map(({ name, value }) => [name, compactText(text, value)])),
  );
  return `{${[...merged].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join()}}` as JsonText;
}
