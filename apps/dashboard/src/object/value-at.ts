import type { JsonText } from '@auditbox/core/json/json-text.ts';
import { elementsOf, membersOf } from '../events/event.ts';

/** The text at a place of a value; null if there is no such place. */
export function valueAt(value: JsonText | null, names: readonly string[]): string | null {
  let text: string | null = value;
  for (const name of names) {
    if (text?.startsWith('{')) text = membersOf(text).get(name) ?? null;
    else if (text?.startsWith('[')) text = elementsOf(text)[Number(name)] ?? null;
    else return null;
  }
  return text;
}
