import { type Checked, type Problem, printPath } from '@auditbox/core/event/audit-event.ts';
import { splitEscaped } from '@auditbox/core/text/split-escaped.ts';
import type { ValueAt } from '@auditbox/db/queries/event-filter.ts';
import type { z } from 'zod';

/** A place in a value as a parameter: `updated_values.max_budget=25`. */
const valueName = /^(before_value|updated_values|context)\.(.+)$/s;
const maxDepth = 32;
const maxPaths = 20;

/** Reads a URL's query by a schema of its parameters, and places in values besides; nothing unknown or doubtful passes. */
export function readSearch<Shape extends z.ZodRawShape>(
  shape: z.ZodObject<Shape>,
  search: URLSearchParams,
): Checked<{ readonly named: z.output<z.ZodObject<Shape>>; readonly values: readonly ValueAt[] }> {
  const problems: Problem[] = repeatedNames(search).map((path) => ({ path, message: 'is given more than once' }));
  const values: ValueAt[] = [];
  const named: [string, string][] = [];
  for (const [name, given] of search) {
    const value = readValueAt(name, given);
    if (value === null) named.push([name, given]);
    else if ('message' in value) problems.push(value);
    else values.push(value);
  }
  if (values.length > maxPaths)
    problems.push({ path: '', message: `at most ${maxPaths} places in values can be asked for` });
  const result = shape.safeParse(Object.fromEntries(named));
  if (!result.success) problems.push(...result.error.issues.flatMap(toProblems));
  if (!result.success || problems.length > 0) return { ok: false, problems };
  return { ok: true, value: { named: result.data, values } };
}

function readValueAt(name: string, equals: string): ValueAt | Problem | null {
  const [, column, place] = valueName.exec(name) ?? [];
  if (column === undefined || place === undefined) return null;
  const path = splitEscaped(place, '.');
  if (`${name}${equals}`.includes('\0')) return { path: name, message: 'must not contain U+0000' };
  if (path.length > maxDepth) return { path: name, message: `must be at most ${maxDepth} names deep` };
  return { column: column as ValueAt['column'], path, equals };
}

function repeatedNames(search: URLSearchParams): string[] {
  return [...new Set(search.keys())].filter((name) => search.getAll(name).length > 1);
}

function toProblems(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((path) => ({ path, message: 'is not a parameter' }));
  return [{ path: printPath(issue.path), message: issue.message }];
}
