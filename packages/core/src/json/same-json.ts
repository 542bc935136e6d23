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
  readonly members: (readonly [string, string])[];
  name: string;
}

/** A step is about a millisecond of work. */
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

  /** Adds a value to the one around it, and passes what stands behind it. Returns the whole text at its end. */
  function add(value: string): string | null {
    for (let whole = value; ; ) {
      const around = open.at(-1);
      if (around === undefined) return whole;
      if (around.kind === 'array') around.text += `${whole},`;
      else around.members.push([around.name, whole]);
      at += 1;
      if (text[at - 1] === ',') {
        if (around.kind === 'object') around.name = readName();
        return null;
      }
      open.pop();
      whole = closeValue(around);
    }
  }

  for (let values = 1; ; values += 1) {
    if (values % valuesPerStep === 0) yield;
    if (openValue()) continue;
    const whole = add(readShort());
    if (whole !== null) return whole;
  }
}

function closeValue({ kind, text, members }: OpenValue): string {
  if (kind === 'array') return `[${text}]`;
  let object = '{';
  for (const [name, value] of members.sort(byName)) object += `${name}:${value},`;
  return `${object}}`;
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : Number(a > b);
}
