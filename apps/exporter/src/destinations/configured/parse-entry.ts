import { printPath } from '@auditbox/core/event/audit-event.ts';
import { endSentence } from '@auditbox/core/text/end-sentence.ts';
import { nearestName } from '@auditbox/core/text/nearest-name.ts';
import { z } from 'zod';
import { type OmissibleField, omissibleFields } from '../formats/format.ts';
import { commonOptions } from './common-options.ts';
import type { ConfiguredDestination } from './configured-destination.ts';
import { destinationTypes } from './destination-types.ts';
import { substitute } from './substitute.ts';

/** They have a form that only the module knows. */
const optionsOfModule = /^options\b/;

const malformedReference = `"\${" must begin the name of a variable and "}", such as \${SOC_SECRET}.`;

type Environment = Readonly<Record<string, string | undefined>>;

/** A destination, or every problem of its entry. */
export type ParsedEntry =
  | { readonly ok: true; readonly destination: ConfiguredDestination }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads one entry of the configuration. `where` is its path in the file; `file` is what a module is relative to. */
export function parseEntry(entry: unknown, where: string, environment: Environment, file: string): ParsedEntry {
  const { value, secretPaths, unset, malformed } = substitute(entry, environment);
  const problems = [
    ...unset.map(({ path, variable }) => `${where}.${path}: \${${variable}} is not set.`),
    ...malformed.flatMap((path) => (optionsOfModule.test(path) ? [] : [`${where}.${path}: ${malformedReference}`])),
  ];
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, problems: [`${where} must be an object.`] };
  // A module needs no type.
  const given = 'module' in value && !('type' in value) ? { type: 'module', ...value } : value;
  const typeName = 'type' in given ? given.type : undefined;
  // Every object has a `constructor`.
  const isKnown = typeof typeName === 'string' && Object.hasOwn(destinationTypes, typeName);
  const type = isKnown ? destinationTypes[typeName] : undefined;
  if (type === undefined) return { ok: false, problems: [...problems, describeType(typeName, where)] };

  const schema = z.strictObject({ ...commonOptions, ...type.options.shape });
  const parsed = schema.safeParse(given);
  if (parsed.success && problems.length === 0) {
    const {
      name,
      format,
      only,
      except,
      fields,
      since,
      paused,
      concurrency,
      timeoutMs,
      type: _,
      ...options
    } = parsed.data;
    const selection = { format, omit: omittedFields(fields), only: only ?? null, except: except ?? null };
    const create: ConfiguredDestination['create'] = async (tools) =>
      type.create({ ...options, ...(typeName === 'module' && { relativeTo: file }) }, tools, { timeoutMs });
    return {
      ok: true,
      destination: {
        ...{ name, selection, concurrency, timeoutMs, create },
        type: String(typeName),
        history: since,
        paused: paused ?? null,
        claim: type.claim?.(options) ?? null,
      },
    };
  }
  const known = Object.keys(schema.shape);
  const isHidden = (path: readonly PropertyKey[]) =>
    type.secrets.includes(String(path[0])) || secretPaths.has(printPath(path));
  for (const issue of parsed.error?.issues ?? []) {
    // What is wrong because a variable is not set is said already.
    if (issue.path.length > 0 && unset.some(({ path }) => path.startsWith(printPath(issue.path)))) continue;
    problems.push(...describeIssue(issue, given, where, { known, isHidden }));
  }
  return { ok: false, problems };
}

function omittedFields(kept: readonly OmissibleField[] | undefined): readonly OmissibleField[] {
  return kept === undefined ? [] : omissibleFields.filter((field) => !kept.includes(field));
}

function describeType(typeName: unknown, where: string): string {
  const types = Object.keys(destinationTypes);
  if (typeName === undefined) return `${where}.type is not set; it must be one of ${types.join(', ')}.`;
  return `${where}.type is ${JSON.stringify(typeName)}; it must be one of ${types.join(', ')}.${suggest(String(typeName), types)}`;
}

function describeIssue(
  issue: z.core.$ZodIssue,
  given: object,
  where: string,
  { known, isHidden }: { known: readonly string[]; isHidden: (path: readonly PropertyKey[]) => boolean },
): string[] {
  const at = issue.path.length === 0 ? where : `${where}.${printPath(issue.path)}`;
  if (issue.code === 'unrecognized_keys') {
    const names = issue.path.length === 0 ? known : [];
    return issue.keys.map((key) => `${at}.${key}: unknown key.${suggest(key, names)}`);
  }
  const value = issue.path.reduce<unknown>(
    (part, key) => (part as Record<PropertyKey, unknown> | undefined)?.[key],
    given,
  );
  if (value === undefined) return [`${at} is not set.`];
  if (isHidden(issue.path)) return [`${at} (not shown, because it is secret): ${endSentence(issue.message)}`];
  return [`${at} is ${JSON.stringify(value).replace(userOfUrl, '//…@').slice(0, 200)}: ${endSentence(issue.message)}`];
}

/** A password in it may hold any character. */
const userOfUrl = /\/\/.*@/s;

function suggest(given: string, known: readonly string[]): string {
  const nearest = nearestName(given, known);
  return nearest === null ? '' : ` Did you mean ${nearest}?`;
}
