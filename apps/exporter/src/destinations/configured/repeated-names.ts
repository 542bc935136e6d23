import { arrayElements, objectMembers } from '@auditbox/core/json/json-text.ts';

/**
 * The places of members that a text of JSON has more than once. `JSON.parse` keeps the last of them, and drops the others without
 * a word.
 */
export function listRepeatedNames(text: string, path = ''): string[] {
  const of = ({ start, end }: { start: number; end: number }) => text.slice(start, end);
  switch (text.trimStart()[0]) {
    case '{': {
      const seen = new Set<string>();
      return objectMembers(text).flatMap(({ name, value }) => {
        const at = path === '' ? name : `${path}.${name}`;
        const inner = listRepeatedNames(of(value), at);
        if (seen.has(name)) return [at, ...inner];
        seen.add(name);
        return inner;
      });
    }
    case '[':
      return arrayElements(text).flatMap((element, index) => listRepeatedNames(of(element), `${path}[${index}]`));
    default:
      return [];
  }
}
