import type { z } from 'zod';
import { measureJson } from '../json/json-size.ts';
import { compactText, type JsonSlice, type JsonText, maxDepth, objectMembers } from '../json/json-text.ts';
import { type Checked, maxProblems, type NewAuditEvent, type Problem, printPath } from './audit-event.ts';
import { type Actions, eventSchema } from './event-schema.ts';
import { findUnstorableText, holdsUnstorableText, unstorableProblem } from './unstorable-text.ts';

/** Most bytes of an event as the caller sends it, in UTF-8. */
export const maxEventBytes = 1024 * 1024;

/** Most names and values of an event. More of them would hold the process for longer than 50 ms. */
const maxEventValues = 120_000;

/** An event has eleven fields. More than this many members are not read one by one. */
const maxMembers = 50;

/** Reads one event from its JSON text. Throws SyntaxError when the text is not JSON. */
export type ReadEvent = (text: string) => Checked<NewAuditEvent>;

/** Makes a reader that accepts these actions. */
export function eventReader(actions: Actions): ReadEvent {
  const schema = eventSchema(actions);
  return (text) => {
    const tooLarge = findExcess(text);
    if (tooLarge !== null) return { ok: false, problems: [tooLarge] };
    const parsed: unknown = JSON.parse(text);
    const names = listNames(parsed);
    if (names.length > maxMembers) return { ok: false, problems: findUnknownNames(names, schema.shape) };
    const result = schema.safeParse(parsed);
    if (!result.success) return { ok: false, problems: result.error.issues.flatMap(toProblems).slice(0, maxProblems) };
    const slices = new Map<string, JsonSlice>();
    const problems: Problem[] = [];
    for (const { name, value } of objectMembers(text)) {
      if (slices.has(name)) problems.push({ path: name, message: 'is given twice' });
      else if (holdsUnstorableText(text.slice(value.start, value.end))) {
        const found = findUnstorableText(result.data[name as keyof typeof result.data], [name], maxProblems);
        problems.push(...(found.length > 0 ? found : [unstorableProblem([name])]));
      }
      if (problems.length >= maxProblems) break;
      slices.set(name, value);
    }
    if (problems.length > 0) return { ok: false, problems: problems.slice(0, maxProblems) };
    return { ok: true, value: toEvent(result.data, text, slices) };
  };
}

/** What makes the text too large to be parsed; null if nothing does. */
function findExcess(text: string): Problem | null {
  if (isLongerThan(text, maxEventBytes)) return { path: '', message: `is larger than ${maxEventBytes} bytes` };
  const { values, depth } = measureJson(text);
  if (values > maxEventValues) return { path: '', message: `holds more than ${maxEventValues} names and values` };
  // The event is a level too.
  if (depth <= maxDepth + 1) return null;
  const deep = text.trimStart().startsWith('{') && objectMembers(text).find(({ value }) => value.depth > maxDepth);
  return { path: deep ? printPath([deep.name]) : '', message: `nests deeper than ${maxDepth} levels` };
}

/** Whether a text has more bytes in UTF-8. */
function isLongerThan(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}

function listNames(parsed: unknown): readonly string[] {
  return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? Object.keys(parsed) : [];
}

/** The schema would first collect all of them. */
function findUnknownNames(names: readonly string[], shape: object): Problem[] {
  const problems: Problem[] = [];
  for (const name of names) {
    if (!Object.hasOwn(shape, name)) problems.push({ path: printPath([name]), message: 'is not a field of an event' });
    if (problems.length >= maxProblems) break;
  }
  return problems;
}

function toEvent(
  wire: z.output<ReturnType<typeof eventSchema>>,
  text: string,
  slices: ReadonlyMap<string, JsonSlice>,
): NewAuditEvent {
  const memberText = (name: string): JsonText | null => {
    const slice = slices.get(name);
    const value = slice && compactText(text, slice);
    return value === undefined || value === 'null' ? null : value;
  };
  return {
    id: wire.id?.toLowerCase() ?? null,
    occurredAt: wire.updated_at ?? null,
    changedBy: wire.changed_by,
    changedByApiKey: wire.changed_by_api_key ?? null,
    action: wire.action,
    tableName: wire.table_name,
    objectId: wire.object_id,
    beforeValue: memberText('before_value'),
    updatedValues: memberText('updated_values'),
    context: memberText('context'),
    tenant: wire.tenant ?? '',
  };
}

function toProblems(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .slice(0, maxProblems)
      .map((key) => ({ path: printPath([...issue.path, key]), message: 'is not a field of an event' }));
  }
  return [{ path: printPath(issue.path), message: issue.message }];
}
