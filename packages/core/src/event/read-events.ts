import { sliceValue } from '../json/json-text.ts';
import { type Checked, maxProblems, type NewAuditEvent } from './audit-event.ts';
import { maxEventBytes, type ReadEvent } from './read-event.ts';

/** The two forms of a batch: a JSON array, or one event on each line (https://github.com/ndjson/ndjson-spec). */
export type BatchForm = 'array' | 'lines';

/** Where an event is in the text of a batch. Nothing has parsed it yet. An event that is too large may end later. */
interface EventSlice {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the events of a batch, all or nothing: one wrong event makes the whole batch wrong. Otherwise like readEachEvent.
 */
export function* readBatch(
  text: string,
  form: BatchForm,
  readEvent: ReadEvent,
  maxEvents: number,
): Generator<void, Checked<NewAuditEvent[]>> {
  const each = yield* readEvents(text, form, readEvent, maxEvents, maxProblems);
  if (!each.ok) return each;
  const problems = each.value.flatMap((event) => (event.ok ? [] : event.problems));
  if (problems.length > 0) return { ok: false, problems: problems.slice(0, maxProblems) };
  return { ok: true, value: each.value.flatMap((event) => (event.ok ? [event.value] : [])) };
}

/**
 * Reads each event of a batch by itself. The path of each problem starts with the event's index. Only a list that holds no
 * event, or too many, is wrong as a whole. Throws SyntaxError, with the line's number or the event's index, when the text is
 * not JSON.
 *
 * It works in small steps, so that the caller can do other work between them: each `next` looks at one event. All events are
 * found and counted before the first of them is parsed, because a batch of too many would be parsed in vain. The result is
 * the value of the last step.
 */
export function readEachEvent(
  text: string,
  form: BatchForm,
  readEvent: ReadEvent,
  maxEvents: number,
): Generator<void, Checked<Checked<NewAuditEvent>[]>> {
  return readEvents(text, form, readEvent, maxEvents, Number.POSITIVE_INFINITY);
}

/** Stops after `most` problems. */
function* readEvents(
  text: string,
  form: BatchForm,
  readEvent: ReadEvent,
  maxEvents: number,
  most: number,
): Generator<void, Checked<Checked<NewAuditEvent>[]>> {
  const slices: EventSlice[] = [];
  if (form === 'array' && text.charCodeAt(yield* skipBlanks(text, 0)) !== openArray) return notAnArray(text);
  for (const slice of form === 'array' ? sliceArray(text) : sliceLines(text)) {
    yield;
    if (slice === undefined) continue;
    if (slices.length >= maxEvents) return wrong('', `holds more than ${maxEvents} events`);
    slices.push(slice);
    // The batch is wrong as a whole, so the end of the large event is not looked for.
    if (isTooLarge(slice) && most !== Number.POSITIVE_INFINITY) return refuseTooLarge(slices.length - 1);
  }
  if (slices.length === 0) return wrong('', 'holds no event');
  const events: Checked<NewAuditEvent>[] = [];
  let problems = 0;
  const indexOfId = new Map<string, number>();
  for (const [index, slice] of slices.entries()) {
    if (problems >= most) break;
    yield;
    const event = isTooLarge(slice)
      ? refuseTooLarge(index)
      : checkId(prependIndices(index, readSlice(text, slice, index, form, readEvent)), index, indexOfId);
    if (!event.ok) problems += event.problems.length;
    events.push(event);
  }
  return { ok: true, value: events };
}

function prependIndices(index: number, event: Checked<NewAuditEvent>): Checked<NewAuditEvent> {
  if (event.ok) return event;
  return {
    ok: false,
    problems: event.problems.map(({ path, message }) => ({ path: prependIndex(index, path), message })),
  };
}

/** An id may stand in a list once. */
function checkId(event: Checked<NewAuditEvent>, index: number, indexOfId: Map<string, number>): Checked<NewAuditEvent> {
  const id = event.ok ? event.value.id : null;
  if (id === null) return event;
  const earlier = indexOfId.get(id);
  if (earlier !== undefined) return wrong(`[${index}].id`, `is the id of [${earlier}] too`);
  indexOfId.set(id, index);
  return event;
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
/** A body that is not a list is parsed only to name the mistake in it. */
const maxNotAnArray = 65_536;

function notAnArray(text: string): Checked<never> {
  if (text.length <= maxNotAnArray) JSON.parse(text);
  return wrong('', 'must be an array of events');
}

function isTooLarge({ start, end }: EventSlice): boolean {
  return end - start > maxEventBytes;
}

function refuseTooLarge(index: number): Checked<never> {
  return wrong(`[${index}]`, `is larger than ${maxEventBytes} bytes`);
}

function wrong(path: string, message: string): Checked<never> {
  return { ok: false, problems: [{ path, message }] };
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

function readSlice(
  text: string,
  { start, end }: EventSlice,
  index: number,
  form: BatchForm,
  readEvent: ReadEvent,
): Checked<NewAuditEvent> {
  try {
    return readEvent(text.slice(start, end));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const place = form === 'lines' ? `line ${countLines(text, start)}` : `event [${index}]`;
    throw new SyntaxError(`${place}: ${cause.message}`, { cause });
  }
}

function countLines(text: string, end: number): number {
  let lines = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

function prependIndex(index: number, path: string): string {
  return path === '' || path.startsWith('[') ? `[${index}]${path}` : `[${index}].${path}`;
}
