import { arrayElements } from '../json/json-text.ts';
import { type Checked, maxProblems, type NewAuditEvent, type Problem } from './audit-event.ts';
import type { ReadEvent } from './read-event.ts';

/** The texts of several events, each with the value that `JSON.parse` made of it; or why the input is not a list of events. */
export type BatchTexts = Checked<readonly { readonly text: string; readonly parsed: unknown }[]>;

/** Splits the text of a JSON array into its events. Throws SyntaxError when the text is not JSON. */
export function splitJsonArray(text: string): BatchTexts {
  const parsed: unknown = JSON.parse(text);
  if (!Array.isArray(parsed)) return { ok: false, problems: [{ path: '', message: 'must be an array of events' }] };
  const texts = arrayElements(text).map(({ start, end }, index) => ({
    text: text.slice(start, end),
    parsed: parsed[index] as unknown,
  }));
  return { ok: true, value: texts };
}

/**
 * Splits NDJSON text (https://github.com/ndjson/ndjson-spec) into its events, one per line. Blank lines are skipped.
 * Throws SyntaxError with the line's number when a line is not JSON.
 */
export function splitNdjson(text: string): BatchTexts {
  const texts: { text: string; parsed: unknown }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      texts.push({ text: line, parsed: JSON.parse(line) });
    } catch (cause) {
      throw new SyntaxError(`line ${index + 1}: ${(cause as Error).message}`, { cause });
    }
  }
  return { ok: true, value: texts };
}

/** Reads every event. One wrong event makes the whole list wrong; the path of each problem starts with its index. */
export function readEvents(texts: BatchTexts, readEvent: ReadEvent, maxEvents: number): Checked<NewAuditEvent[]> {
  if (!texts.ok) return texts;
  const { length } = texts.value;
  if (length === 0) return { ok: false, problems: [{ path: '', message: 'holds no event' }] };
  if (length > maxEvents) {
    return { ok: false, problems: [{ path: '', message: `holds ${length} events; at most ${maxEvents} are allowed` }] };
  }
  const events: NewAuditEvent[] = [];
  const problems: Problem[] = [];
  const indexOfId = new Map<string, number>();
  for (const [index, { text, parsed }] of texts.value.entries()) {
    if (problems.length >= maxProblems) break;
    const event = readEvent(text, parsed);
    if (!event.ok) {
      problems.push(...event.problems.map(({ path, message }) => ({ path: prependIndex(index, path), message })));
      continue;
    }
    const { id } = event.value;
    const earlier = id === null ? undefined : indexOfId.get(id);
    if (earlier !== undefined) problems.push({ path: `[${index}].id`, message: `is the id of [${earlier}] too` });
    if (id !== null) indexOfId.set(id, index);
    events.push(event.value);
  }
  return problems.length > 0 ? { ok: false, problems: problems.slice(0, maxProblems) } : { ok: true, value: events };
}

function prependIndex(index: number, path: string): string {
  return path === '' || path.startsWith('[') ? `[${index}]${path}` : `[${index}].${path}`;
}
