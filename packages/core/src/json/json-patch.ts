import { arrayElements, type JsonText, maxDepth, objectMembers } from './json-text.ts';
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
 * the start and at the end, and are compared by position in between. The patch is always right and its cost is bounded,
 * but it is not always the shortest. Numbers are equal if their values are equal (RFC 6902, 4.6); `sameJson` is stricter.
 * Values that differ below `maxDepth` levels are replaced whole. Time grows with length times depth.
 *
 * Values in the table may have white space between tokens. Call `compactText` on them first.
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
  const [old, fresh] = [memberTexts(before), memberTexts(after)];
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
  const [old, fresh] = [elementTexts(before), elementTexts(after)];
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
  // From the end, so that no step moves an element that a later step names.
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

function memberTexts(text: JsonText): Map<string, JsonText> {
  return new Map(objectMembers(text).map(({ name, value }) => [name, text.slice(value.start, value.end) as JsonText]));
}

function elementTexts(text: JsonText): JsonText[] {
  return arrayElements(text).map(({ start, end }) => text.slice(start, end) as JsonText);
}

function escapeName(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
