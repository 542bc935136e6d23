/** A JSON text that is stored as it is, digit for digit: `new JsonText('{"amount": 1.10}')`. */
export class JsonText {
  readonly text: string;

  /** Throws SyntaxError for an invalid text. */
  constructor(text: string) {
    JSON.parse(text);
    this.text = text;
  }
}

/** The JSON text of a value; null for undefined. Throws TypeError for a value that JSON does not have, such as a bigint. */
export function toJsonText(value: unknown): string | null {
  if (value instanceof JsonText) return value.text;
  return JSON.stringify(value) ?? null;
}
