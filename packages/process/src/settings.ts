import { readFileSync } from 'node:fs';
import { z } from 'zod';

/*
 * Settings come from the environment, once, in `main.ts`. A setting is a zod schema over its text, with what it means
 * and what it accepts; the README's tables are made from the same.
 */

/** One setting: how its text is read, and what people are told about it. */
export interface Setting<T> {
  readonly schema: z.ZodType<T, string | undefined>;
  readonly meaning: string;
  readonly accepts: string;
  /** As the README shows it. */
  readonly fallback: string;
  readonly secret: boolean;
}

/** Settings by the names of their environment variables. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** The values of a table of settings. */
export type SettingValues<T extends SettingTable> = {
  readonly [Name in keyof T]: T[Name] extends Setting<infer Value> ? Value : never;
};

/** What some settings, right by themselves, must be to each other. */
export interface Relation<T extends SettingTable> {
  /** Looked at only where all of these are right, so that one mistake is named once. */
  readonly between: readonly (keyof T)[];
  /** A sentence on what is wrong, or null. */
  readonly problem: (values: SettingValues<T>) => string | null;
}

/** Some settings are wrong; the message has a line for each. */
class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly code = 'BAD_SETTINGS';
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads all settings of a table; an empty text counts as not set. Throws SettingsError naming every setting that is
 * wrong, its value (unless it is secret) and what is accepted, and each relation that does not hold.
 */
export function readSettings<T extends SettingTable>(
  table: T,
  environment: Environment,
  relations: readonly Relation<T>[] = [],
): SettingValues<T> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(table)) {
    const text = environment[name] === '' ? undefined : environment[name];
    const result = setting.schema.safeParse(text);
    if (result.success) values[name] = result.data;
    else problems.push(`${name} ${stateOf(text, setting)}; it takes ${setting.accepts}.`);
  }
  for (const { between, problem } of relations) {
    const sentence = between.every((name) => name in values) ? problem(values as SettingValues<T>) : null;
    if (sentence !== null) problems.push(sentence);
  }
  if (problems.length > 0) throw new SettingsError(['Wrong settings:', ...problems].join('\n  '));
  return Object.freeze(values) as SettingValues<T>;
}

function stateOf(text: string | undefined, { secret }: Setting<unknown>): string {
  if (text === undefined) return 'is not set';
  return secret ? 'is set to something else' : `is ${JSON.stringify(text)}`;
}

interface Words<T> {
  readonly meaning: string;
  readonly fallback?: T;
  /** Instead of the fallback, for the README. */
  readonly fallbackShown?: string;
}

/** A whole number of some unit. */
export function wholeNumber(range: { min: number; max: number }, words: Words<number>): Setting<number> {
  const number = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(range.min).max(range.max));
  return setting(number, `a whole number from ${range.min} to ${range.max}`, words);
}

/** One of a closed set of words. */
export function oneOf<const T extends string>(options: readonly T[], words: Words<T>): Setting<T> {
  return setting(z.enum(options), options.join(' or '), words);
}

/** `true` or `false`. */
export function flag(words: Words<boolean>): Setting<boolean> {
  const boolean = z.enum(['true', 'false']).transform((text) => text === 'true');
  return setting(boolean, 'true or false', words);
}

/** A text of a form; `accepts` puts the form into words. */
export function textOf(form: RegExp, accepts: string, words: Words<string>): Setting<string> {
  return setting(z.string().regex(form), accepts, words);
}

/** A URL of one of some protocols. */
export function urlOf(protocol: RegExp, accepts: string, words: Words<string>): Setting<string> {
  const url = z.string().refine((text) => URL.canParse(text) && protocol.test(new URL(text).protocol));
  return setting(url, accepts, words);
}

/** The path of a file, which is read at once: its content is the value. `parse` throws at what it does not take. */
export function fileOf<T>(parse: (content: string) => T, accepts: string, words: Words<never>): Setting<T> {
  const file = z.string().transform((path, context) => {
    try {
      return parse(readFileSync(path, 'utf8'));
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  });
  return setting(file, accepts, words);
}

/** Words separated by commas; blanks around them do not count. */
export function listOf(accepts: string, words: Words<readonly string[]>): Setting<readonly string[]> {
  const list = z
    .string()
    .transform((text) => [...new Set(text.split(',').map((word) => word.trim()))])
    .refine((all) => all.every((word) => word !== ''));
  return setting(list, accepts, words);
}

/** The same setting, but it may be left out. */
export function optional<T>({ schema, ...rest }: Setting<T>): Setting<T | undefined> {
  return { ...rest, schema: schema.optional() };
}

/** The same setting, never shown in a message. */
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
