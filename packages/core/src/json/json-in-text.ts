import { measureJson } from './json-size.ts';
import { skipSpace } from './json-text.ts';

/** JSON text inside a JSON string, inside a JSON string, inside a JSON string. */
const maxTexts = 3;

/** As many as an event may have outside of its texts. More of them would hold the process. */
const maxValues = 120_000;

/**
 * LiteLLM's own export writes an object as JSON text inside a JSON string. Returns the JSON text in a string, without the
 * blanks in front of it. Null if the value is not a string, or its text is not JSON or has too many values. The function member_in_text of the
 * database reads texts in the same way.
 */
export function jsonInText(value: string): string | null {
  let json = afterBlanks(value);
  if (!json.startsWith('"')) return null;
  try {
    for (let level = 0; level < maxTexts && json.startsWith('"'); level += 1) json = afterBlanks(JSON.parse(json));
    if (measureJson(json).values > maxValues) return null;
    JSON.parse(json);
    return json;
  } catch {
    return null;
  }
}

function afterBlanks(json: string): string {
  return json.slice(skipSpace(json, 0));
}
