import { measureJson } from '../json/json-size.ts';
import { maxDepth, skipSpace, skipString, sliceValue } from '../json/json-text.ts';
import type { Steps } from '../steps.ts';
import { isClean, isHarmlessValue } from './is-clean.ts';
import { isHarmless, type NameRules } from './secret-names.ts';
import type { ValueRules } from './secret-values.ts';

/** What a redaction looks for and writes. */
export interface RedactRules {
  readonly names: NameRules;
  readonly values: ValueRules;
  /** The text that stands in for a secret. */
  replacement(kind: string, secret: string): string;
}

/** A replaced value: its place as the names and positions on the way, and its kind. */
export interface Redaction {
  readonly path: readonly (string | number)[];
  readonly kind: string;
}

export interface RedactedJson {
  readonly text: string;
  readonly redactions: readonly Redaction[];
}

/** More secrets in one value are no list that anyone reads, and each replacement makes the value longer. */
const maxRedactions = 5_000;
/** The length of a step. Each token may be a small JSON text. */
const tokensInStep = 64;
/** JSON text inside a JSON text, inside a JSON text. */
const maxTextsInTexts = 3;

const quote = 0x22;
const comma = 0x2c;
const openArray = 0x5b;
const openObject = 0x7b;

/**
 * Replaces the secrets of a JSON text, and leaves every other byte. It works on the tokens of the text, because printing a
 * parsed value again would change numbers. Null if there is nothing to replace. The text must be JSON.
 */
export function* redactJson(text: string, rules: RedactRules): Steps<RedactedJson | null> {
  return isClean(text, rules) ? null : yield* redactTokens(text, rules, maxTextsInTexts);
}

interface Frame {
  readonly isObject: boolean;
  name: string;
  index: number;
}

function* redactTokens(text: string, rules: RedactRules, textsInTexts: number): Steps<RedactedJson | null> {
  const redactions: Redaction[] = [];
  const frames: Frame[] = [];
  let redacted = '';
  let kept = 0;
  let kind: string | null = null;
  let tokens = 0;
  // A string without escapes is in the text as it is, so one search of the text answers for all of them.
  const mayHoldPlainly = rules.values.mayHold(text);

  function replace(start: number, end: number, by: string, found: readonly string[]): void {
    redacted += text.slice(kept, start) + by;
    kept = end;
    const place = frames.map(({ isObject, name, index }) => (isObject ? name : index));
    for (const foundKind of found) redactions.push({ path: place, kind: foundKind });
  }

  function* redactString(start: number, end: number, asName: boolean): Steps<string> {
    const token = text.slice(start, end);
    const content = decode(token);
    if ((asName || kind === null) && !mayHoldPlainly && !token.includes('\\')) return content;
    const inner = yield* redactText(content, asName ? null : kind, rules, textsInTexts);
    if (inner === null) return content;
    if (asName) (frames.at(-1) as Frame).name = inner.text;
    replace(
      start,
      end,
      JSON.stringify(inner.text),
      inner.redactions.map(({ kind: found }) => found),
    );
    return content;
  }

  function replaceWhole(start: number, end: number, secretKind: string): void {
    const by = JSON.stringify(rules.replacement(secretKind, text.slice(start, end)));
    replace(start, end, by, [secretKind]);
  }

  let at = skipSpace(text, 0);
  while (at < text.length) {
    const code = text.charCodeAt(at);
    const frame = frames.at(-1);
    tokens += 1;
    if (tokens % tokensInStep === 0) yield;
    if (redactions.length > maxRedactions)
      return { text: JSON.stringify(rules.replacement('many', text)), redactions: [{ path: [], kind: 'many' }] };
    if (code === quote && frame?.isObject && frame.index === 0) {
      const end = skipString(text, at);
      frame.name = decode(text.slice(at, end));
      kind = rules.names.kindOf(yield* redactString(at, end, true));
      frame.index = 1;
      // Behind the colon.
      at = skipSpace(text, skipSpace(text, end) + 1);
      continue;
    }
    if (code === comma) {
      if (frame !== undefined) frame.index = frame.isObject ? 0 : frame.index + 1;
      at = skipSpace(text, at + 1);
      continue;
    }
    if (code === 0x7d || code === 0x5d) {
      frames.pop();
      at = skipSpace(text, at + 1);
      continue;
    }
    const secretKind: string | null = kind;
    if (code === quote) {
      const end = skipString(text, at);
      yield* redactString(at, end, false);
      at = skipSpace(text, end);
    } else if (secretKind === null && (code === openObject || code === openArray)) {
      frames.push({ isObject: code === openObject, name: '', index: 0 });
      at = skipSpace(text, at + 1);
    } else {
      const { end } = sliceValue(text, at);
      if (secretKind !== null && !isHarmlessValue(text, at, secretKind)) replaceWhole(at, end, secretKind);
      at = skipSpace(text, Math.max(end, at + 1));
    }
    kind = null;
  }
  return redactions.length === 0 ? null : { text: redacted + text.slice(kept), redactions };
}

/** Replaces the secrets of a text: all of it under a secret name, or what looks like a secret, or what JSON in it holds. */
export function* redactText(
  text: string,
  kind: string | null,
  rules: RedactRules,
  textsInTexts = maxTextsInTexts,
): Steps<RedactedJson | null> {
  if (kind !== null)
    return isHarmless(text, kind) ? null : { text: rules.replacement(kind, text), redactions: [{ path: [], kind }] };
  if (textsInTexts > 0 && beginsLikeJson(text)) {
    const isCleanJson = !spaceBeforeColon.test(text) && !rules.values.mayHold(text) && isClean(text, rules);
    // The text may only begin like JSON, and then more names count, and it is read as it is written.
    if (isCleanJson && rules.values.find(text).length === 0) return null;
    if (isJson(text)) return yield* redactTokens(text, rules, textsInTexts - 1);
  }
  const found = rules.values.find(text);
  if (found.length === 0) return null;
  let redacted = '';
  let kept = 0;
  for (const { kind: foundKind, start, end } of found) {
    redacted += text.slice(kept, start) + rules.replacement(foundKind, text.slice(start, end));
    kept = end;
  }
  return { text: redacted + text.slice(kept), redactions: [{ path: [], kind: found[0]?.kind as string }] };
}

/** The search for names expects the colon right behind the name. */
const spaceBeforeColon = /"\s+:/;

/** LiteLLM writes values as JSON text inside a JSON string. */
function beginsLikeJson(text: string): boolean {
  const first = text.charCodeAt(skipSpace(text, 0));
  return first === openObject || first === openArray;
}

function isJson(text: string): boolean {
  if (measureJson(text).depth > maxDepth) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function decode(token: string): string {
  return token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1);
}
