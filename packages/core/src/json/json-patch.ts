import type { JsonText } from './json-text.ts';
import { type ArrayNode, type JsonNode, type ObjectNode, readTree, type Shapes } from './json-tree.ts';
import { sameNumber } from './same-number.ts';

/** One step of a JSON Patch (RFC 6902). The path is a JSON Pointer (RFC 6901). The value is text, so it keeps every digit. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: JsonText }
  | { readonly op: 'remove'; readonly path: string };

/**
 * The patch that turns `before` into `after`. `null` means that there is no value: the patch then adds or removes the
 * value at the empty path. JSON's null is a value like any other.
 *
 * Objects are compared member by member; the last value of a repeated name counts. Arrays keep their equal elements at
 * the start and at the end, and are compared by position in between. The patch is always right, but it is not always the
 * shortest. Numbers are equal if their values are equal (RFC 6902, 4.6); `sameJson` is stricter. Values that differ below
 * `maxDepth` levels are replaced whole. Time grows with the length of the values, plus that of the patch.
 *
 * A path holds the names of all levels, so a patch can be much longer than both values. The result is null if it would be
 * longer than about `maxLength` UTF-16 units.
 *
 * Values in the table may have white space between tokens. Call `compactText` on them first.
 */
export function jsonPatch(before: JsonText | null, after: JsonText | null): PatchOperation[];
export function jsonPatch(before: JsonText | null, after: JsonText | null, maxLength: number): PatchOperation[] | null;
export function jsonPatch(
  before: JsonText | null,
  after: JsonText | null,
  maxLength = Number.POSITIVE_INFINITY,
): PatchOperation[] | null {
  if (before === null) return after === null ? [] : [{ op: 'add', path: '', value: after }];
  if (after === null) return [{ op: 'remove', path: '' }];
  if (before === after) return [];
  const shapes: Shapes = new Map();
  const all: Comparison = { before, after, patch: [], left: maxLength };
  compareNodes(all, readTree(before, shapes), readTree(after, shapes), null);
  return all.left < 0 ? null : all.patch;
}

/** A patch as JSON text (application/json-patch+json), each value as it was written. */
export function printPatch(patch: readonly PatchOperation[]): JsonText {
  const operations = patch.map((operation) => {
    const value = operation.op === 'remove' ? '' : `,"value":${operation.value}`;
    return `{"op":"${operation.op}","path":${JSON.stringify(operation.path)}${value}}`;
  });
  return `[${operations.join()}]` as JsonText;
}

interface Comparison {
  readonly before: JsonText;
  readonly after: JsonText;
  readonly patch: PatchOperation[];
  /** UTF-16 units that the printed patch may still grow by. Below 0, the comparison ends. */
  left: number;
}

/** A JSON Pointer that is printed only where an operation needs it. */
interface Path {
  readonly parent: Path | null;
  readonly name: string | number;
  /** Printed once; its children append to it. */
  pointer: string | null;
}

function compareNodes(all: Comparison, old: JsonNode, fresh: JsonNode, path: Path | null): void {
  if (all.left < 0) return;
  if (old.kind === 'object' && fresh.kind === 'object') {
    if (old.shape !== fresh.shape) compareObjects(all, old, fresh, path);
  } else if (old.kind === 'array' && fresh.kind === 'array') {
    if (old.shape !== fresh.shape) compareArrays(all, old, fresh, path);
  } else if (!sameScalar(textOf(all.before, old), textOf(all.after, fresh))) emit(all, 'replace', path, fresh);
}

function compareObjects(all: Comparison, old: ObjectNode, fresh: ObjectNode, parent: Path | null): void {
  for (const [name, value] of old.members) {
    if (all.left < 0) return;
    const now = fresh.members.get(name);
    if (now === undefined) emit(all, 'remove', { parent, name, pointer: null });
    else compareNodes(all, value, now, { parent, name, pointer: null });
  }
  for (const [name, value] of fresh.members) {
    if (all.left < 0) return;
    if (!old.members.has(name)) emit(all, 'add', { parent, name, pointer: null }, value);
  }
}

function compareArrays(all: Comparison, old: ArrayNode, fresh: ArrayNode, parent: Path | null): void {
  const [before, after] = [old.elements, fresh.elements];
  const areSame = (one: JsonNode | undefined, other: JsonNode | undefined) =>
    one !== undefined && other !== undefined && haveSameText(all, one, other);
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && areSame(before[start], after[start])) start += 1;
  let kept = 0;
  while (kept < shorter - start && areSame(before[before.length - 1 - kept], after[after.length - 1 - kept])) kept += 1;
  const [oldEnd, freshEnd] = [before.length - kept, after.length - kept];
  const commonEnd = Math.min(oldEnd, freshEnd);

  for (let at = start; at < commonEnd && all.left >= 0; at += 1)
    compareNodes(all, before[at] as JsonNode, after[at] as JsonNode, { parent, name: at, pointer: null });
  // From the end, so that no step moves an element that a later step names.
  for (let at = oldEnd - 1; at >= commonEnd && all.left >= 0; at -= 1)
    emit(all, 'remove', { parent, name: at, pointer: null });
  for (let at = commonEnd; at < freshEnd && all.left >= 0; at += 1)
    emit(all, 'add', { parent, name: at, pointer: null }, after[at]);
}

function haveSameText(all: Comparison, old: JsonNode, fresh: JsonNode): boolean {
  if (old.kind !== 'scalar' && fresh.kind !== 'scalar') return old.kind === fresh.kind && old.shape === fresh.shape;
  if (old.kind !== fresh.kind || old.end - old.start !== fresh.end - fresh.start) return false;
  return textOf(all.before, old) === textOf(all.after, fresh);
}

/** About the length of an operation without its path and value. */
const operationLength = 32;

function emit(all: Comparison, op: PatchOperation['op'], at: Path | null, node?: JsonNode): void {
  // Appended strings share their beginning, so a pointer takes memory only when the patch is printed.
  const path = at === null ? '' : printPointer(at);
  all.left -= operationLength + path.length + (node === undefined ? 0 : node.end - node.start);
  if (all.left < 0) return;
  if (op === 'remove' || node === undefined) all.patch.push({ op: 'remove', path });
  else all.patch.push({ op, path, value: textOf(all.after, node) });
}

function printPointer(path: Path): string {
  if (path.pointer !== null) return path.pointer;
  const beginning = path.parent === null ? '' : printPointer(path.parent);
  const name = typeof path.name === 'number' ? String(path.name) : escapeName(path.name);
  path.pointer = `${beginning}/${name}`;
  return path.pointer;
}

function textOf(text: JsonText, { start, end }: JsonNode): JsonText {
  return text.slice(start, end) as JsonText;
}

function sameScalar(left: JsonText, right: JsonText): boolean {
  if (left === right) return true;
  if (left[0] === '"' && right[0] === '"') return JSON.parse(left) === JSON.parse(right);
  return sameNumber(left, right);
}

/** A member's name as a part of a JSON Pointer. */
export function escapeName(name: string): string {
  return /[~/]/.test(name) ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}
