import { sliceValue } from '../json/json-text.ts';
import { maxEventBytes } from './read-event.ts';

/*
 * Finds the events in the text of a batch, before any of them is parsed. What may be as long as the body is passed over in steps,
 * so that the caller can do other work between them.
 */

/** The two forms of a batch: a JSON array, or one event on each line (https://github.com/ndjson/ndjson-spec). */
export type BatchForm = 'array' | 'lines';

/** Where an event is in the text of a batch. Nothing has parsed it yet. An event that is too large may end later. */
export interface EventSlice {
  readonly start: number;
  readonly end: number;
}

const quote = 0x22;
const backslash = 0x5c;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
const comma = 0x2c;
/** No character of JSON is below it outside of strings, except for other white space. */
const blank = 0x20;

export function isTooLarge({ start, end }: EventSlice): boolean {
  return end - start > maxEventBytes;
}

/** Whether the text begins as an array does. */
export function* beginsArray(text: string): Generator<undefined, boolean> {
  return text.charCodeAt(yield* skipBlanks(text, 0)) === openArray;
}

/** The events in order, and undefined between the steps in which the end of a large one is found. */
export function sliceEvents(text: string, form: BatchForm): Generator<EventSlice | undefined> {
  return form === 'array' ? sliceArray(text) : sliceLines(text);
}

/**
 * The elements of an array, and undefined between the steps in which the end of a large one is found. A text that is not JSON gives
 * at least one element that is not JSON, or throws SyntaxError.
 */
function* sliceArray(text: string): Generator<EventSlice | undefined> {
  let at = yield* skipBlanks(text, (yield* skipBlanks(text, 0)) + 1);
  if (text.charCodeAt(at) !== closeArray) {
    for (let index = 0; ; index += 1) {
      // Longer than that it is too large, wherever it ends.
      const slice = sliceValue(text, at, at + maxEventBytes + 1);
      yield slice;
      at = isTooLarge(slice) ? yield* skipLongValue(text, at) : slice.end;
      if (isBlank(text, at)) at = yield* skipBlanks(text, at);
      if (text.charCodeAt(at) === closeArray) break;
      if (text.charCodeAt(at) !== comma) throw new SyntaxError(`a comma or ] is missing after event [${index}]`);
      at += 1;
      if (isBlank(text, at)) at = yield* skipBlanks(text, at);
    }
  }
  if ((yield* skipBlanks(text, at + 1)) < text.length) throw new SyntaxError('text follows the end of the array');
}

/** Characters of a step. */
const stepLength = 1024 * 1024;

/** Where the white space that starts here ends. It may be as long as the body, so it is passed over in steps. */
function* skipBlanks(text: string, start: number): Generator<undefined, number> {
  for (let at = start; at < text.length; at += stepLength) {
    if (at > start) yield;
    const length = text.slice(at, at + stepLength).search(notSpace);
    if (length !== -1) return at + length;
  }
  return text.length;
}

function isBlank(text: string, at: number): boolean {
  return text.charCodeAt(at) <= blank;
}

/** Where a long value ends. It may be as long as the body, so it is passed over in steps. */
function* skipLongValue(text: string, start: number): Generator<undefined, number> {
  let open = 0;
  let isInString = false;
  let nextStep = start + stepLength;
  for (let at = start; at < text.length; at += 1) {
    if (at >= nextStep) {
      nextStep += stepLength;
      yield;
    }
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === backslash) at += 1;
      if (code !== quote) continue;
      isInString = false;
      if (open === 0) return at + 1;
    } else if (code === quote) isInString = true;
    else if (code === openObject || code === openArray) open += 1;
    else if (code === closeObject || code === closeArray) {
      if (open <= 1) return at + open;
      open -= 1;
    } else if (code === comma && open === 0) return at;
  }
  return text.length;
}

function* sliceLines(text: string): Generator<EventSlice> {
  for (let at = findText(text, 0); at < text.length; at = findText(text, at)) {
    const end = text.indexOf('\n', at);
    yield { start: at, end: end === -1 ? text.length : end };
    at = end === -1 ? text.length : end + 1;
  }
}

const notSpace = /[^ \t\r\n]/g;

/** Like skipSpace, for millions of blank lines. */
function findText(text: string, start: number): number {
  notSpace.lastIndex = start;
  return notSpace.exec(text)?.index ?? text.length;
}
