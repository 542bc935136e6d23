import { arrayElements, type JsonText, maxDepth, objectMembers } from './json-text.ts';
import { sameNumber } from './same-number.ts';

/** One step of a JSON Patch (RFC 6902). Its path is a JSON Pointer (RFC 6901); its value is text, so digits survive. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: JsonText }
  | { readonly op: 'remove'; readonly path: string };

/**
 * What turns `before` into `after`. Null is no value at all: a value that begins is added at the empty path, one that
 * ends is removed there. JSON's null is a value like others.
 *
 * Objects are compared member by member; of a repeated name the last counts. Arrays keep the elements that begin and end
 * both with the same text, and are compared by position in between: always right, bounded, not always the shortest.
 * Numbers are equal if their values are (RFC 6902, 4.6); `sameJson` is stricter. Where text differs below
 * `maxDepth` levels, it is replaced whole. Time grows with length times depth.
 *
 * A table may hold values with white space between tokens: `compactText` makes them JsonText first.
 */
export function jsonPatch(before: JsonText | null, after: JsonText | null): PatchOperation[] {
  if (before === null) return after === null ? [] : [{ op: 'add', path: '', value: after }];
  if (after === null) return [{ op: 'remove', path: '' }];
  const patch: PatchOperation[] = [];
  compareValues({ before, after, path: '', depth: 0 }, patch);
  return patch;
}

/** A patch as JSON text (application/json-patch+json), each value as it was written. */
export function printPatch(patch: readonly PatchOperation[]): JsonText {
  const operations = patch.map((operation) => {
    const value = operation.op === 'remove' ? '' : `,"value":${operation.value}`;
    return `{"op":"${operation.op}","path":${JSON.stringify(operation.path)}${value}}`;
  });
  return `[${operations.join()}]` as JsonText;
}

interface Pair {
  readonly before: JsonText;
  readonly after: JsonText;
  readonly path: string;
  readonly depth: number;
}

function compareValues(pair: Pair, patch: PatchOperation[]): void {
  const { before, after, path, depth } = pair;
  if (before === after) return;
  const kind = before[0] === after[0] && depth < maxDepth ? before[0] : undefined;
  if (kind === '{') compareObjects(pair, patch);
  else if (kind === '[') compareArrays(pair, patch);
  else if (!sameScalar(before, after)) patch.push({ op: 'replace', path, value: after });
}

function compareObjects({ before, after, path, depth }: Pair, patch: PatchOperation[]): void {
  const [old, fresh] = [membersOf(before), membersOf(after)];
  for (const [name, value] of old) {
    const memberPath = `${path}/${escapeName(name)}`;
    const now = fresh.get(name);
    if (now === undefined) patch.push({ op: 'remove', path: memberPath });
    else compareValues({ before: value, after: now, path: memberPath, depth: depth + 1 }, patch);
  }
  for (const [name, value] of fresh) {
    if (!old.has(name)) patch.push({ op: 'add', path: `${path}/${escapeName(name)}`, value });
  }
}

function compareArrays({ before, after, path, depth }: Pair, patch: PatchOperation[]): void {
  const [old, fresh] = [elementsOf(before), elementsOf(after)];
  const shorter = Math.min(old.length, fresh.length);
  let start = 0;
  while (start < shorter && old[start] === fresh[start]) start += 1;
  let kept = 0;
  while (kept < shorter - start && old[old.length - 1 - kept] === fresh[fresh.length - 1 - kept]) kept += 1;
  const [oldMiddle, freshMiddle] = [old.slice(start, old.length - kept), fresh.slice(start, fresh.length - kept)];

  for (const [at, value] of oldMiddle.slice(0, freshMiddle.length).entries()) {
    const now = freshMiddle[at] as JsonText;
    compareValues({ before: value, after: now, path: `${path}/${start + at}`, depth: depth + 1 }, patch);
  }
  // From the end, so that no step moves an element that a later one names.
  for (let at = oldMiddle.length - 1; at >= freshMiddle.length; at -= 1) {
    patch.push({ op: 'remove', path: `${path}/${start + at}` });
  }
  for (const [at, value] of freshMiddle.slice(oldMiddle.length).entries()) {
    patch.push({ op: 'add', path: `${path}/${start + oldMiddle.length + at}`, value });
  }
}

function sameScalar(left: JsonText, right: JsonText): boolean {
  if (left[0] === '"' && right[0] === '"') return JSON.parse(left) === JSON.parse(right);
  return sameNumber(left, right);
}

function membersOf(text: JsonText): Map<string, JsonText> {
  return new Map(objectMembers(text).map(({ name, value }) => [name, text.slice(value.start, value.end) as JsonText]));
}

function elementsOf(text: JsonText): JsonText[] {
  return arrayElements(text).map(({ start, end }) => text.slice(start, end) as JsonText);
}

function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
