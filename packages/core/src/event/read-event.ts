import type { z } from 'zod';
import { compactText, type JsonSlice, type JsonText, maxDepth, objectMembers } from '../json/json-text.ts';
import { type Checked, maxProblems, type NewAuditEvent, type Problem, printPath } from './audit-event.ts';
import { type Actions, eventSchema } from './event-schema.ts';
import { findUnstorableText, holdsUnstorableText, unstorableProblem } from './unstorable-text.ts';

/** Reads one event from its JSON text and the value that `JSON.parse` made of that text. */
export type ReadEvent = (text: string, parsed: unknown) => Checked<NewAuditEvent>;

/** Makes a reader that accepts these actions. */
export function eventReader(actions: Actions): ReadEvent {
  const schema = eventSchema(actions);
  return (text, parsed) => {
    const result = schema.safeParse(parsed);
    if (!result.success) return { ok: false, problems: result.error.issues.flatMap(toProblems).slice(0, maxProblems) };
    const slices = new Map<string, JsonSlice>();
    const problems: Problem[] = [];
    for (const { name, value } of objectMembers(text)) {
      if (slices.has(name)) problems.push({ path: name, message: 'is given twice' });
      if (value.depth > maxDepth) problems.push({ path: name, message: `nests deeper than ${maxDepth} levels` });
      else if (holdsUnstorableText(text.slice(value.start, value.end))) {
        const found = findUnstorableText(result.data[name as keyof typeof result.data], [name], maxProblems);
        problems.push(...(found.length > 0 ? found : [unstorableProblem([name])]));
      }
      slices.set(name, value);
    }
    if (problems.length > 0) return { ok: false, problems: problems.slice(0, maxProblems) };
    return { ok: true, value: toEvent(result.data, text, slices) };
  };
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
