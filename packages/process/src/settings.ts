import { readFileSync } from 'node:fs';
import { hideLogin } from '@auditbox/core/text/hide-login.ts';
import { z } from 'zod';

/*
 * Settings are read once, in `main.ts`, from the environment. A setting is a zod schema over its text, together with its
 * meaning and the values that it accepts. The tables in the documentation are generated from the same objects.
 */

export interface Setting<T> {
  readonly schema: z.ZodType<T, string | undefined>;
  readonly meaning: string;
  readonly accepts: string;
  /** As the documentation shows it. */
  readonly fallback: string;
  readonly secret: boolean;
  /** What is wrong with a value, in words that do not show a secret; null if nothing is. */
  readonly explain?: (text: string) => string | null;
  /** A sentence behind the usual one; null if it says enough. */
  readonly because?: (text: string) => string | null;
}

/** Settings by environment variable. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table of settings. */
export type SettingValues<T extends SettingTable> = {
  readonly [Name in keyof T]: T[Name] extends Setting<infer Value> ? Value : never;
};

/** A condition between settings that are each right by themselves. */
export interface Relation<T extends SettingTable> {
  /** The condition is checked only when all of these settings are right, so that each mistake is reported once. */
  readonly between: readonly (keyof T)[];
  /** A sentence about the problem, or null. */
  readonly problem: (values: SettingValues<T>) => string | null;
}

/** The message has one line for each problem. */
class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly code = 'BAD_SETTINGS';
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads all settings of a table. An empty text counts as not set. Throws a SettingsError that names every wrong setting,
 * its value (unless it is secret) and the accepted values, every relation that does not hold, and what `findOthers` finds
 * with the settings that are right.
 */
export function readSettings<T extends SettingTable>(
  table: T,
  environment: Environment,
  relations: readonly Relation<T>[] = [],
  findOthers: (values: Partial<SettingValues<T>>) => readonly string[] = () => [],
): SettingValues<T> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const text = environment[name] === '' ? undefined : environment[name];
    if (text !== undefined && isQuoted(text)) {
      problems.push(
        `${name} begins and ends with a quote. Remove both: files for \`docker run --env-file\` have no quotes.`,
      );
      continue;
    }
    const result = setting.schema.safeParse(text);
    if (result.success) values[name] = result.data;
    else {
      const why = text === undefined ? null : (setting.explain?.(text) ?? null);
      const because = text === undefined ? null : (setting.because?.(text) ?? null);
      const usual = `${name} ${stateOf(text, setting)}; it must be ${setting.accepts}.`;
      if (why !== null) problems.push(`${name}: ${why}`);
      else problems.push(because === null ? usual : `${usual} ${because}`);
    }
  }
  for (const { between, problem } of relations) {
    const sentence = between.every((name) => name in values) ? problem(values as SettingValues<T>) : null;
    if (sentence !== null) problems.push(sentence);
  }
  problems.push(...findOthers(values as Partial<SettingValues<T>>));
  if (problems.length > 0) throw new SettingsError(['Wrong settings:', ...problems].join('\n  '));
  return Object.freeze(values) as SettingValues<T>;
}

/** Lists of words would keep such quotes without a sign of it: no name of AUDIT_REDACT_NAMES would match. */
function isQuoted(text: string): boolean {
  return /^(["']).*\1$/s.test(text);
}

function stateOf(text: string | undefined, { secret }: Setting<unknown>): string {
  if (text === undefined) return 'is not set';
  if (secret) return 'has an invalid value (not shown, because it is secret)';
  // Any URL may hold a password, also one that is not allowed to.
  return `is ${JSON.stringify(hideLogin(text))}`;
}

interface Words<T> {
  readonly meaning: string;
  readonly fallback?: T;
  /** Shown in the documentation instead of the fallback. */
  readonly fallbackShown?: string;
}

export function wholeNumber(range: { min: number; max: number }, words: Words<number>): Setting<number> {
  const number = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(range.min).max(range.max));
  return setting(number, `a whole number from ${range.min} to ${range.max}`, words);
}

export function oneOf<const T extends string>(options: readonly T[], words: Words<T>): Setting<T> {
  return setting(z.enum(options), options.join(' or '), words);
}

/** `true` or `false`. */
export function flag(words: Words<boolean>): Setting<boolean> {
  const boolean = z.enum(['true', 'false']).transform((text) => text === 'true');
  return setting(boolean, 'true or false', words);
}

/** A text that matches a pattern. `accepts` describes the pattern for people. */
export function textOf(form: RegExp, accepts: string, words: Words<string>): Setting<string> {
  return setting(z.string().regex(form), accepts, words);
}

/** A URL whose protocol, such as `https:`, matches a pattern. */
export function urlOf(protocol: RegExp, accepts: string, words: Words<string>): Setting<string> {
  const url = z.string().refine((text) => URL.canParse(text) && protocol.test(new URL(text).protocol));
  return setting(url, accepts, words);
}

/** The path of a file. The value is the parsed content, read at once. `parse` throws when it does not accept the content. */
export function fileOf<T>(
  parse: (content: string, path: string) => T,
  accepts: string,
  words: Words<never>,
): Setting<T> {
  const file = z.string().transform((path, context) => {
    try {
      return parse(readFileSync(path, 'utf8'), path);
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  });
  return { ...setting(file, accepts, words), because: explainUnreadable };
}

/** Why a file cannot be read; null if it can. */
export function explainUnreadable(path: string): string | null {
  try {
    readFileSync(path);
    return null;
  } catch (error) {
    return `The file cannot be read (${(error as NodeJS.ErrnoException).code}).`;
  }
}

/** Words separated by commas. Spaces around them are ignored. */
export function listOf(accepts: string, words: Words<readonly string[]>): Setting<readonly string[]> {
  const list = z
    .string()
    .transform((text) => [...new Set(text.split(',').map((word) => word.trim()))])
    .refine((all) => all.every((word) => word !== ''));
  return setting(list, accepts, words);
}

/** Whole numbers, origins, networks …: like listOf, and each word matches a pattern. */
export function listOfEach(form: RegExp, accepts: string, words: Words<readonly string[]>): Setting<readonly string[]> {
  const { schema, ...rest } = listOf(accepts, words);
  return {
    ...rest,
    schema: schema.refine((all) => all.every((word) => form.test(word))) as Setting<readonly string[]>['schema'],
  };
}

/** The same setting, but it need not be set. */
export function optional<T>({ schema, ...rest }: Setting<T>): Setting<T | undefined> {
  return { ...rest, schema: schema.optional() };
}

/** The same setting, but messages never show its value. */
export function secret<T>(shown: Setting<T>): Setting<T> {
  return { ...shown, secret: true };
}

function setting<T>(
  schema: z.ZodType<T, string>,
  accepts: string,
  { meaning, fallback, fallbackShown }: Words<T> | Words<never>,
): Setting<T> {
  const withFallback = fallback === undefined ? schema : schema.optional().transform((value) => value ?? fallback);
  const shown = fallbackShown ?? (Array.isArray(fallback) ? fallback.join(', ') : fallback);
  return {
    schema: withFallback as z.ZodType<T, string | undefined>,
    meaning,
    accepts,
    fallback: shown === undefined ? '' : String(shown),
    secret: false,
  };
}
