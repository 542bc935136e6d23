/** A secret in a text. */
export interface FoundSecret {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
}

/** A text with more secrets than this is replaced from the next one to its end. */
export const maxSecrets = 500;

/** Whether a sticky pattern matches here. */
export function testAt(here: RegExp, text: string, at: number): boolean {
  here.lastIndex = at;
  return here.test(text);
}

/** Where the next match ends, or the text. */
export function findEnd(text: string, until: RegExp, from: number): number {
  until.lastIndex = from;
  return until.exec(text) === null ? text.length : until.lastIndex;
}
