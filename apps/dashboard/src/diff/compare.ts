import type { JsonText } from '@auditbox/core/json/json-text.ts';
import { type JsonNode, readTree, type Shapes } from '@auditbox/core/json/json-tree.ts';
import { sameNumber } from '@auditbox/core/json/same-number.ts';

/*
 * Two values as one tree, which says of each place whether it is equal. Every leaf is the text that was recorded, so no digit is lost. A
 * patch names only the members that were set: what it leaves out is "not part of this request", never a removal.
 */

export type DiffNode =
  | { readonly kind: 'same'; readonly text: JsonText }
  | { readonly kind: 'added'; readonly text: JsonText }
  | { readonly kind: 'removed'; readonly text: JsonText }
  | { readonly kind: 'replaced'; readonly before: JsonText; readonly after: JsonText }
  /** A member that a patch does not name. */
  | { readonly kind: 'unnamed'; readonly text: JsonText }
  | { readonly kind: 'object' | 'array'; readonly children: readonly DiffChild[] };

export interface DiffChild {
  /** A member's name, or an element's position. */
  readonly name: string | number;
  readonly node: DiffNode;
}

/** Actions for which every writer records the whole state. */
const wholeActions = new Set(['created', 'deleted', 'rotated']);

export function isPatch(action: string): boolean {
  return !wholeActions.has(action);
}

/** `partial`: members of the outermost object that `after` leaves out are unnamed. */
export function compareValues(before: JsonText | null, after: JsonText | null, partial: boolean): DiffNode | null {
  if (before === null && after === null) return null;
  if (before === null) return eachMember(after as JsonText, 'added');
  if (after === null) return eachMember(before, partial ? 'unnamed' : 'removed');
  const shapes: Shapes = new Map();
  const both: Texts = { before, after };
  return compareNodes(both, readTree(before, shapes), readTree(after, shapes), partial);
}

/** A line for each member, because one line with a whole object is hard to read. */
function eachMember(text: JsonText, kind: 'added' | 'removed' | 'unnamed'): DiffNode {
  const tree = readTree(text, new Map());
  if (tree.kind !== 'object' || tree.members.size === 0) return { kind, text };
  const children = [...tree.members].map(([name, value]) => ({ name, node: { kind, text: cut(text, value) } }));
  return { kind: 'object', children };
}

interface Texts {
  readonly before: JsonText;
  readonly after: JsonText;
}

function compareNodes(both: Texts, old: JsonNode, fresh: JsonNode, partial: boolean): DiffNode {
  const [before, after] = [cut(both.before, old), cut(both.after, fresh)];
  if (before === after) return { kind: 'same', text: after };
  if (old.kind === 'object' && fresh.kind === 'object') {
    const children: DiffChild[] = [];
    for (const [name, value] of old.members) {
      const now = fresh.members.get(name);
      if (now !== undefined) children.push({ name, node: compareNodes(both, value, now, false) });
      else children.push({ name, node: { kind: partial ? 'unnamed' : 'removed', text: cut(both.before, value) } });
    }
    for (const [name, value] of fresh.members) {
      if (!old.members.has(name)) children.push({ name, node: { kind: 'added', text: cut(both.after, value) } });
    }
    return { kind: 'object', children };
  }
  if (old.kind === 'array' && fresh.kind === 'array')
    return { kind: 'array', children: compareElements(both, old.elements, fresh.elements) };
  if (old.kind === 'scalar' && fresh.kind === 'scalar' && isSameScalar(before, after))
    return { kind: 'same', text: after };
  return { kind: 'replaced', before, after };
}

/** Longest arrays whose elements are matched in the shortest way; longer ones are compared by position. */
const maxMatched = 300;

function compareElements(both: Texts, old: readonly JsonNode[], fresh: readonly JsonNode[]): DiffChild[] {
  const [before, after] = [old.map((node) => cut(both.before, node)), fresh.map((node) => cut(both.after, node))];
  const kept =
    old.length * fresh.length <= maxMatched * maxMatched ? matchElements(before, after) : matchEnds(before, after);
  const children: DiffChild[] = [];
  let [i, j] = [0, 0];
  for (const [oldAt, freshAt] of [...kept, [old.length, fresh.length] as const]) {
    // Between two equal elements: what stands at the same place was replaced.
    while (i < oldAt && j < freshAt) {
      children.push({ name: j, node: compareNodes(both, old[i] as JsonNode, fresh[j] as JsonNode, false) });
      i += 1;
      j += 1;
    }
    for (; i < oldAt; i += 1) children.push({ name: i, node: { kind: 'removed', text: before[i] as JsonText } });
    for (; j < freshAt; j += 1) children.push({ name: j, node: { kind: 'added', text: after[j] as JsonText } });
    if (oldAt < old.length || freshAt < fresh.length) {
      children.push({ name: j, node: { kind: 'same', text: after[j] as JsonText } });
      i += 1;
      j += 1;
    }
  }
  return children;
}

type Pair = readonly [number, number];

/** The longest common subsequence. */
function matchElements(before: readonly string[], after: readonly string[]): Pair[] {
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        before[i] === after[j]
          ? (lengths[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(lengths[(i + 1) * width + j] ?? 0, lengths[i * width + j + 1] ?? 0);
    }
  }
  const pairs: Pair[] = [];
  for (let i = 0, j = 0; i < before.length && j < after.length; ) {
    if (before[i] === after[j]) {
      pairs.push([i, j]);
      i += 1;
      j += 1;
    } else if ((lengths[(i + 1) * width + j] ?? 0) >= (lengths[i * width + j + 1] ?? 0)) i += 1;
    else j += 1;
  }
  return pairs;
}

/** What both begin and end with. */
function matchEnds(before: readonly string[], after: readonly string[]): Pair[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  const head = Array.from({ length: start }, (_, n): Pair => [n, n]);
  const tail = Array.from({ length: end }, (_, n): Pair => [before.length - end + n, after.length - end + n]);
  return [...head, ...tail];
}

function isSameScalar(before: JsonText, after: JsonText): boolean {
  if (before[0] === '"' && after[0] === '"') return JSON.parse(before) === JSON.parse(after);
  return sameNumber(before, after);
}

function cut(text: JsonText, { start, end }: JsonNode): JsonText {
  return text.slice(start, end) as JsonText;
}
