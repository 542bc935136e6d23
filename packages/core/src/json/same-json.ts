import { arrayElements, type JsonText, objectMembers } from './json-text.ts';

/**
 * Whether two JSON texts are equal. The order of names and the form of string escapes do not matter; every digit of a
 * number and every repetition of a name do. `null` stands for an absent value and equals JSON's null.
 */
export function sameJson(left: JsonText | null, right: JsonText | null): boolean {
  const [a, b] = [left ?? 'null', right ?? 'null'];
  return a === b || canonical(a) === canonical(b);
}

/** The same text for all equal JSON texts. Scalars stay text because as numbers 1.0 would equal 1. */
function canonical(text: string): string {
  switch (text[0]) {
    case '{': {
      const members = objectMembers(text).map(({ name, value }) => [name, text.slice(value.start, value.end)] as const);
      const sorted = members.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
      return `{${sorted.map(([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`).join()}}`;
    }
    case '[':
      return `[${arrayElements(text)
        .map(({ start, end }) => canonical(text.slice(start, end)))
        .join()}]`;
    case '"':
      return JSON.stringify(JSON.parse(text));
    default:
      return text;
  }
}
