import { type Checked, printPath } from '@auditbox/core/audit-event.ts';
import { lowerBound, upperBound } from '@auditbox/core/event-time.ts';
import { type EventQuery, sortableColumns } from '@auditbox/db/events/find-events.ts';
import { z } from 'zod';

const dateForm = 'must be a date (2026-07-03) or an RFC 3339 time with an offset (2026-07-03T11:46:50.269Z)';
const sortable = Object.keys(sortableColumns) as (keyof typeof sortableColumns)[];

/** Reads the query of `GET /audit`, whose names and meaning are LiteLLM's; nothing unknown or doubtful passes. */
export function listQueryReader(actions: readonly string[]): (search: URLSearchParams) => Checked<EventQuery> {
  const text = z.string().refine((value) => !value.includes('\0'), 'must not contain U+0000');
  const schema = z.strictObject({
    page: wholeNumber(1, 1_000_000_000).default(1),
    page_size: wholeNumber(1, 100).default(10),
    changed_by: text.optional(),
    changed_by_api_key: text.optional(),
    action: z.enum(actions, `must be one of ${actions.join(', ')}`).optional(),
    table_name: text.optional(),
    object_id: text.optional(),
    start_date: bound(lowerBound).optional(),
    end_date: bound(upperBound).optional(),
    sort_by: z.enum(sortable, `must be one of ${sortable.join(', ')}`).default('updated_at'),
    sort_order: z.enum(['asc', 'desc'], 'must be asc or desc').default('desc'),
  });
  return (search) => {
    const result = schema.safeParse(Object.fromEntries(search));
    const problems = repeatedNames(search).map((path) => ({ path, message: 'is given more than once' }));
    if (!result.success) problems.push(...result.error.issues.flatMap(toProblems));
    if (!result.success || problems.length > 0) return { ok: false, problems };
    const { data } = result;
    const query = {
      changedBy: data.changed_by,
      changedByApiKey: data.changed_by_api_key,
      action: data.action,
      tableName: data.table_name,
      objectId: data.object_id,
      occurredFrom: data.start_date,
      occurredTo: data.end_date,
      sortBy: data.sort_by,
      sortOrder: data.sort_order,
      page: data.page,
      pageSize: data.page_size,
    };
    return { ok: true, value: query };
  };
}

function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,10}$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message));
}

/** A `+` that nobody escaped arrives as a blank; in front of an offset only a plus can have been meant. */
function bound(read: (text: string) => string | null) {
  return z.string().transform((text, { addIssue }) => {
    const instant = read(text.replace(/ (\d\d:\d\d)$/, '+$1'));
    if (instant !== null) return instant;
    addIssue(dateForm);
    return z.NEVER;
  });
}

function repeatedNames(search: URLSearchParams): string[] {
  return [...new Set(search.keys())].filter((name) => search.getAll(name).length > 1);
}

function toProblems(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((path) => ({ path, message: 'is not a parameter' }));
  return [{ path: printPath(issue.path), message: issue.message }];
}
