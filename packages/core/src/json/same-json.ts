import type { Steps } from '../steps.ts';
import { type JsonText, skipLiteral, skipString } from './json-text.ts';

/**
 * Whether two JSON texts are equal. The order of names and the form of string escapes do not matter; every digit of a
 * number and every repetition of a name do. `null` stands for an absent value and equals JSON's null. The texts have no
 * white space between tokens.
 */
export function* sameJson(left: JsonText | null, right: JsonText | null): Steps<boolean> {
  const [a, b] = [left ?? ('null' as JsonText), right ?? ('null' as JsonText)];
  return a === b || (yield* canonicalJson(a)) === (yield* canonicalJson(b));
}

/** An array or object whose end is not reached. An object has the name of the member that is read now. */
interface OpenValue {
  readonly kind: 'array' | 'object';
  text: string;
  readonly members: Member[];
  name: string;
}

type Member = readonly [name: string, value: string];

/** A step is a few milliseconds of work at most. */
const valuesPerStep = 4_096;

/**
 * The same text for all equal JSON texts. Scalars stay text because as numbers 1.0 would equal 1. Texts are appended, never
 * joined: joining at each level of nesting would copy everything below it again.
 */
function* canonicalJson(text: JsonText): Steps<string> {
  const open: OpenValue[] = [];
  let at = 0;

  function readString(): string {
    const start = at;
    at = skipString(text, at);
    const string = text.slice(start, at);
    return string.includes('\\') ? JSON.stringify(JSON.parse(string)) : string;
  }

  function readScalar(): string {
    if (text[at] === '"') return readString();
    const start = at;
    at = skipLiteral(text, at);
    return text.slice(start, at);
  }

  /** Passes a name and its colon. */
  function readName(): string {
    const name = readString();
    at += 1;
    return name;
  }

  /** Passes the bracket that opens the value here, if it is not empty. */
  function openValue(): boolean {
    const isObject = text[at] === '{';
    if (!isObject && text[at] !== '[') return false;
    if (text[at + 1] === (isObject ? '}' : ']')) return false;
    at += 1;
    open.push({ kind: isObject ? 'object' : 'array', text: '', members: [], name: isObject ? readName() : '' });
    return true;
  }

  function readShort(): string {
    const isEmpty = text[at] === '{' || text[at] === '[';
    if (!isEmpty) return readScalar();
    at += 2;
    return text.slice(at - 2, at);
  }

  /** Adds a value to the one around it, and passes what stands behind it. Whether that is the end of the value around it. */
  function add(value: string, around: OpenValue): boolean {
    if (around.kind === 'array') around.text += `${value},`;
    else around.members.push([around.name, value]);
    at += 1;
    if (text[at - 1] !== ',') return true;
    if (around.kind === 'object') around.name = readName();
    return false;
  }

  for (let values = 1; ; values += 1) {
    if (values % valuesPerStep === 0) yield;
    if (openValue()) continue;
    let whole = readShort();
    for (;;) {
      const around = open.at(-1);
      if (around === undefined) return whole;
      if (!add(whole, around)) break;
      open.pop();
      whole = around.kind === 'array' ? `[${around.text}]` : yield* printObject(around.members);
    }
  }
}

function* printObject(members: Member[]): Steps<string> {
  let object = '{';
  let printed = 0;
  for (const [name, value] of yield* sortByName(members)) {
    object += `${name}:${value},`;
    printed += 1;
    if (printed % valuesPerStep === 0) yield;
  }
  return `${object}}`;
}

/** A step sorts fewer members than it reads, because each of them is compared ten times. */
const sortedPerStep = 1_024;

/** Sorts parts, and merges them. Members with the same name stay in their order. */
function* sortByName(members: Member[]): Steps<Member[]> {
  if (members.length <= sortedPerStep) return members.sort(byName);
  let parts: Member[][] = [];
  for (let from = 0; from < members.length; from += sortedPerStep) {
    parts.push(members.slice(from, from + sortedPerStep).sort(byName));
    yield;
  }
  while (parts.length > 1) {
    const merged: Member[][] = [];
    for (let n = 0; n < parts.length; n += 2) {
      merged.push(yield* merge(parts[n] ?? [], parts[n + 1] ?? []));
      yield;
    }
    parts = merged;
  }
  return parts[0] ?? [];
}

function* merge(left: readonly Member[], right: readonly Member[]): Steps<Member[]> {
  const merged: Member[] = [];
  for (let [l, r] = [0, 0]; ; ) {
    const [a, b] = [left[l], right[r]];
    if (a === undefined || b === undefined) return merged.concat(left.slice(l), right.slice(r));
    if (byName(a, b) <= 0) {
      merged.push(a);
      l += 1;
    } else {
      merged.push(b);
      r += 1;
    }
    if (merged.length % valuesPerStep === 0) yield;
  }
}

function byName([a]: Member, [b]: Member): number {
  return a < b ? -1 : Number(a > b);
}
