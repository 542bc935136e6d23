import { type JsonText, skipLiteral, skipString } from './json-text.ts';

/**
 * Whether two JSON texts are equal. The order of names and the form of string escapes do not matter; every digit of a
 * number and every repetition of a name do. `null` stands for an absent value and equals JSON's null. The texts have no
 * white space between tokens.
 */
export function sameJson(left: JsonText | null, right: JsonText | null): boolean {
  const [a, b] = [left ?? ('null' as JsonText), right ?? ('null' as JsonText)];
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/**
 * The same text for all equal JSON texts. Scalars stay text because as numbers 1.0 would equal 1. Texts are appended, never
 * joined: joining at each level of nesting would copy everything below it again.
 */
function canonicalJson(text: JsonText): string {
  let at = 0;

  function readValue(): string {
    switch (text[at]) {
      case '{':
        return readObject();
      case '[':
        return readArray();
      case '"':
        return readString();
      default: {
        const start = at;
        at = skipLiteral(text, at);
        return text.slice(start, at);
      }
    }
  }

  function readObject(): string {
    const members: (readonly [string, string])[] = [];
    at += 1;
    while (text[at] === '"') {
      const name = readString();
      at += 1;
      members.push([name, readValue()]);
      if (text[at] === ',') at += 1;
    }
    at += 1;
    let object = '{';
    for (const [name, value] of members.sort(byName)) object += `${name}:${value},`;
    return `${object}}`;
  }

  function readArray(): string {
    let array = '[';
    at += 1;
    while (at < text.length && text[at] !== ']') {
      array += `${readValue()},`;
      if (text[at] === ',') at += 1;
    }
    at += 1;
    return `${array}]`;
  }

  function readString(): string {
    const start = at;
    at = skipString(text, at);
    const string = text.slice(start, at);
    return string.includes('\\') ? JSON.stringify(JSON.parse(string)) : string;
  }

  return readValue();
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : Number(a > b);
}
