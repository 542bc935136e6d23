import { type Checked, maxProblems, type NewAuditEvent } from './audit-event.ts';
import { maxEventBytes, type ReadEvent } from './read-event.ts';
import { type BatchForm, beginsArray, type EventSlice, isTooLarge, sliceEvents } from './slice-events.ts';

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
  if (form === 'array' && !(yield* beginsArray(text))) return notAnArray(text);
  for (const slice of sliceEvents(text, form)) {
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

/** A body that is not a list is parsed only to name the mistake in it. */
const maxNotAnArray = 65_536;

function notAnArray(text: string): Checked<never> {
  if (text.length <= maxNotAnArray) JSON.parse(text);
  return wrong('', 'must be an array of events');
}

function refuseTooLarge(index: number): Checked<never> {
  return wrong(`[${index}]`, `is larger than ${maxEventBytes} bytes`);
}

function wrong(path: string, message: string): Checked<never> {
  return { ok: false, problems: [{ path, message }] };
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
