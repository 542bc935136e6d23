import { type Checked, maxProblems, type Problem, printPath } from '@auditbox/core/event/audit-event.ts';
import { addOffset, isTimeZone } from '@auditbox/core/event/zoned-time.ts';
import { splitEscaped } from '@auditbox/core/text/split-escaped.ts';
import type { ValueAt } from '@auditbox/db/queries/event-filter.ts';
import type { Request } from 'express';
import type { z } from 'zod';
import type { ZodOpenApiParameterObject } from 'zod-openapi';
import { HttpProblem } from '../http/problem.ts';
import { filterParameters } from './parameters.ts';

/** A place in a value as a parameter: `updated_values.max_budget=25`. */
const valueName = /^(before_value|updated_values|context)\.(.+)$/s;
const maxDepth = 32;
const maxPaths = 20;
const maxParameters = 200;

/** The query as the caller wrote it. Express's own parser would make objects of it. */
export function getSearch(request: Request): URLSearchParams {
  return new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
}

/** The value of a valid query. An invalid query is a 400 that names every mistake. */
export function requireValid<T>(query: Checked<T>): T {
  if (query.ok) return query.value;
  throw new HttpProblem(400, 'Some parameters are invalid.', { errors: query.problems });
}

/**
 * The parameters of a route on which none is required. A write has almost never a query, so nothing is made for it then.
 * Throws as requireValid.
 */
export function readOptionalQuery<Shape extends z.ZodRawShape>(
  shape: z.ZodObject<Shape>,
  request: Request,
): Partial<z.output<z.ZodObject<Shape>>> {
  return request.originalUrl.includes('?') ? requireValid(readQuery(shape, getSearch(request))).named : {};
}

/** A query with one mistake. */
export function invalid(path: string, message: string): Checked<never> {
  return { ok: false, problems: [{ path, message }] };
}

/**
 * Reads a URL's query: the parameters of a schema, and places in values. An unknown, repeated or invalid parameter is a
 * problem.
 */
export function readQuery<Shape extends z.ZodRawShape>(
  shape: z.ZodObject<Shape>,
  search: URLSearchParams,
): Checked<{ readonly named: z.output<z.ZodObject<Shape>>; readonly values: readonly ValueAt[] }> {
  if (search.size > maxParameters) return invalid('', `at most ${maxParameters} parameters are allowed`);
  const problems: Problem[] = findRepeatedNames(search).map((path) => ({ path, message: 'is given more than once' }));
  const values: ValueAt[] = [];
  const named: [string, string][] = [];
  const zone = readZone(search.get('time_zone'));
  for (const [name, text] of search) {
    // LiteLLM's clients send the filters that are not set as empty texts.
    if (text === '' && filterNames.has(name)) continue;
    const given = Object.hasOwn(bounds, name)
      ? addOffset(withPlus(text), zone, bounds[name as keyof typeof bounds])
      : text;
    const value = readValueAt(name, given);
    if (value === null) named.push([name, given]);
    else if ('message' in value) problems.push(value);
    else values.push(value);
  }
  if (values.length > maxPaths)
    problems.push({ path: '', message: `at most ${maxPaths} places in values are allowed` });
  const result = shape.safeParse(Object.fromEntries(named));
  if (!result.success) problems.push(...result.error.issues.flatMap(toProblems));
  if (!result.success || problems.length > 0) return { ok: false, problems: problems.slice(0, maxProblems) };
  return { ok: true, value: { named: result.data, values } };
}

const filterNames = new Set(Object.keys(filterParameters([])));
const bounds = { start_date: 'lower', end_date: 'upper', recorded_after: 'upper' } as const;

/** A zone that is not valid is a problem of the parameter `time_zone`. */
function readZone(given: string | null): string {
  return given !== null && isTimeZone(given) ? given : 'UTC';
}

/** An unescaped `+` arrives as a blank. In front of an offset a blank can only mean a plus. */
function withPlus(text: string): string {
  return text.replace(/ (\d\d:\d\d)$/, (offset, digits: string) =>
    /^\d{4}-\d\d-\d\d \d\d:\d\d$/.test(text) ? offset : `+${digits}`,
  );
}

function readValueAt(name: string, equals: string): ValueAt | Problem | null {
  const [, column, place] = valueName.exec(name) ?? [];
  if (column === undefined || place === undefined) return null;
  const path = splitEscaped(place, '.');
  if (`${name}${equals}`.includes('\0')) return { path: name, message: 'must not contain U+0000' };
  if (path.length > maxDepth) return { path: name, message: `must be at most ${maxDepth} names deep` };
  return { column: column as ValueAt['column'], path, equals };
}

function findRepeatedNames(search: URLSearchParams): string[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const name of search.keys()) (seen.has(name) ? repeated : seen).add(name);
  return [...repeated];
}

function toProblems(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((path) => ({ path, message: 'is not a parameter' }));
  return [{ path: printPath(issue.path), message: issue.message }];
}

/** Places in values, for the OpenAPI document. Their names are the caller's, so one parameter stands for all of them. */
export const valueParameters = {
  name: 'values',
  in: 'query',
  style: 'form',
  explode: true,
  description:
    `Places in values, ${maxPaths} at most: \`updated_values.max_budget=25\`, \`before_value.limits.rpm.0=10\`, ` +
    '`context.ip=192.0.2.7`. Each place is a separate parameter; there is no parameter named `values`. `\\.` is a dot within a ' +
    'name. Write a text as it is, and any other value as JSON.',
  schema: {
    type: 'object',
    propertyNames: { pattern: '^(before_value|updated_values|context)\\..' },
    additionalProperties: { type: 'string' },
  },
  examples: { none: { value: {} }, budget: { value: { 'updated_values.max_budget': '25' } } },
} as const satisfies ZodOpenApiParameterObject;
