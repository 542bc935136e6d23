import { jsonInText } from '../json/json-in-text.ts';
import { escapeName, jsonPatch, type PatchOperation, printPatch } from '../json/json-patch.ts';
import { measureJson } from '../json/json-size.ts';
import { compactText, type JsonText, objectMembers } from '../json/json-text.ts';
import { changesBetween } from './changes-between.ts';

/** Actions for which every writer records the whole state. */
const wholeActions = new Set(['created', 'deleted', 'rotated']);

/** Longest `before` plus `after` that are compared, and longest patch, in UTF-16 units. Each takes about 10 ms. */
const maxLength = 200_000;
const maxPatchLength = 400_000;

/** A longer event came by SQL: the api accepts a megabyte. Nothing in it is read, so the state after it is unknown. */
const maxEventLength = 1_200_000;

/** Values of an update, and members of a state, that are kept as a map. More of them take too much time or memory. */
const maxValues = 40_000;
const maxMembers = 50_000;

/** The history of one object, event by event from the oldest. It keeps the object's state, and never copies it. */
export interface ObjectHistory {
  /**
   * The event on the wire with one more member, `changes`: a JSON Patch (RFC 6902) to its `updated_values` from its
   * `before_value`, or from the state after the previous event; null when the values are too large to compare.
   */
  addChanges(event: string): string;
  /** Takes an event into account that is not shown. */
  skip(event: string): void;
}

/** When `partial` is null, the action of each event decides. */
export function createObjectHistory(partial: boolean | null): ObjectHistory {
  let state: State = null;

  function readNext(event: string): Step {
    const step = readStep(event, partial);
    if (step.before !== null) state = step.before;
    return step;
  }

  return {
    addChanges(event) {
      if (event.length > maxEventLength) {
        state = unknown;
        return appendChanges(event, null);
      }
      const step = readNext(event);
      const changes = compare(state, step);
      state = stateAfter(state, step);
      return appendChanges(event, changes);
    },
    skip(event) {
      state = event.length > maxEventLength ? unknown : stateAfter(state, readNext(event));
    },
  };
}

/** The state after a value that is too large to be looked into. It is known again after an event that has the whole state. */
const unknown = Symbol('unknown');

/**
 * Null if it does not exist. An object that partial updates change one after the other is a map: an update
 * costs as much as the members that it names.
 */
type State = JsonText | Members | typeof unknown | null;
type Members = Map<string, JsonText>;

interface Step {
  /** The event's own `before_value`. */
  readonly before: JsonText | null;
  readonly after: JsonText | null;
  /** Whether members that `after` does not contain are unchanged. */
  readonly isPartial: boolean;
}

function readStep(event: string, partial: boolean | null): Step {
  const slices = new Map(objectMembers(event).map(({ name, value }) => [name, value]));
  const memberValue = (name: string): JsonText | null => {
    const slice = slices.get(name);
    const value = slice && unwrap(compactText(event, slice));
    return value === undefined || value === 'null' ? null : value;
  };
  const action: unknown = JSON.parse(memberValue('action') ?? '""');
  const isDeleted = action === 'deleted';
  const isPartial = !isDeleted && (partial ?? !wholeActions.has(String(action)));
  return { before: memberValue('before_value'), after: isDeleted ? null : memberValue('updated_values'), isPartial };
}

/** LiteLLM's own export writes an object as JSON text inside a JSON string. Its members are compared, not the text. */
function unwrap(value: JsonText): JsonText {
  const inner = jsonInText(value);
  return inner?.startsWith('{') ? compactText(inner, { start: 0, end: inner.length, depth: 0 }) : value;
}

/** Null if the values are too large. */
function compare(state: State, { after, isPartial }: Step): readonly PatchOperation[] | null {
  if (isPartial && after === null) return [];
  if (state === unknown || (isPartial && isObject(after) && hasMany(after))) return null;
  if (isPartial && state instanceof Map && isObject(after)) return comparePartial(state, after);
  const before = state instanceof Map ? printMembers(state, maxLength) : state;
  if (before === undefined || (before?.length ?? 0) + (after?.length ?? 0) > maxLength) return null;
  return changesBetween(before, after, { partial: isPartial, maxLength: maxPatchLength });
}

/** Compares the members that the update names. */
function comparePartial(state: Members, after: JsonText): readonly PatchOperation[] | null {
  const members = toMembers(after);
  let length = after.length;
  for (const name of members.keys()) length += state.get(name)?.length ?? 0;
  if (length > maxLength) return null;
  const replaced: PatchOperation[] = [];
  const added: PatchOperation[] = [];
  let left = maxPatchLength;
  for (const [name, value] of members) {
    const before = state.get(name);
    const patch = jsonPatch(before ?? null, value, left);
    if (patch === null) return null;
    const path = `/${escapeName(name)}`;
    left -= patch.reduce((sum, operation) => sum + operation.path.length + path.length, 0);
    const list = before === undefined ? added : replaced;
    for (const operation of patch) list.push({ ...operation, path: path + operation.path });
  }
  return left < 0 ? null : [...replaced, ...added];
}

/** The state after an event; changes the map in place. */
function stateAfter(state: State, { after, isPartial }: Step): State {
  if (!isPartial) return after;
  if (after === null) return state;
  if (!isObject(after)) return after;
  if (state === unknown || hasMany(after) || (isObject(state) && hasMany(state))) return unknown;
  const members = state instanceof Map ? state : isObject(state) ? toMembers(state) : null;
  if (members === null) return after;
  for (const [name, value] of toMembers(after)) members.set(name, value);
  return members.size > maxMembers ? unknown : members;
}

function hasMany(object: JsonText): boolean {
  return object.length > maxValues && measureJson(object).values > maxValues;
}

function isObject(value: State): value is JsonText {
  return typeof value === 'string' && value.startsWith('{');
}

/** The last value of a repeated name counts. */
function toMembers(object: JsonText): Members {
  return new Map(
    objectMembers(object).map(({ name, value }) => [name, object.slice(value.start, value.end) as JsonText]),
  );
}

/** Undefined if the text is longer than `most`. */
function printMembers(members: Members, most: number): JsonText | undefined {
  let text = '';
  for (const [name, value] of members) {
    text += `${text === '' ? '{' : ','}${JSON.stringify(name)}:${value}`;
    if (text.length > most) return undefined;
  }
  return (text === '' ? '{}' : `${text}}`) as JsonText;
}

function appendChanges(event: string, changes: readonly PatchOperation[] | null): string {
  return `${event.slice(0, -1)},"changes":${changes === null ? 'null' : printPatch(changes)}}`;
}
