import { schemaNameForm } from '@auditbox/core/schema-name.ts';
import type { Sql } from 'postgres';

/**
 * The schema of the tables. Statements and migrations are written with this name; for another one (DATABASE_SCHEMA) the
 * name is replaced in the text of each statement.
 */
export const defaultSchema = 'auditbox';

/** Throws a TypeError when a schema cannot have this name. The name needs no other check before it gets into SQL. */
export function checkSchemaName(name: string): string {
  if (!schemaNameForm.test(name))
    throw new TypeError(`${JSON.stringify(name)} is not a name that DATABASE_SCHEMA accepts.`);
  return name;
}

/** Longer names of connections are cut off by Postgres. */
const longestApplicationName = 63;

/** The name of a connection. It has the schema, because two cells may be schemas of one database. */
export function nameApplication(application: string, schema: string): string {
  return schema === defaultSchema ? application : `${application} in ${schema}`.slice(0, longestApplicationName);
}

/** `auditbox.`, `"auditbox".`, `'auditbox'`, `in schema auditbox`. Not `auditbox_api`, which is a role. */
const mention = /(?<![\w.@/-])(?:"auditbox"\.|auditbox\.(?=[a-z_%"]|$)|'auditbox'|(?<=\bschema )auditbox\b)/g;

/**
 * The text of a migration or of a tagged template, for another schema. Names in literals are replaced too, because
 * `to_regclass('auditbox.outbox')` has one. So this is not for a text with values of a caller.
 */
export function nameSchema(text: string, schema: string): string {
  if (schema === defaultSchema) return text;
  return text.replace(mention, (found) => {
    if (found.startsWith("'")) return `'${schema}'`;
    return found.endsWith('.') ? `"${schema}".` : `"${schema}"`;
  });
}

const literal = /((?:\be)?'(?:[^']|'')*')/i;

/** The same outside of literals, which may be values of a caller. */
function nameSchemaOutsideLiterals(text: string, schema: string): string {
  return text
    .split(literal)
    .map((part, index) => (index % 2 === 0 ? nameSchema(part, schema) : part))
    .join('');
}

/**
 * The same driver for statements on another schema: the name is replaced in the text of tagged templates, and outside of
 * literals in the text of `unsafe`. The default schema costs nothing.
 */
export function useSchema<T extends Sql>(sql: T, schema: string): T {
  return schema === defaultSchema ? sql : wrap(sql, checkSchemaName(schema), new WeakMap());
}

type Texts = WeakMap<readonly string[], TemplateStringsArray>;

// biome-ignore lint/suspicious/noExplicitAny: the driver's functions are passed on as they are
type AnyFunction = (...args: any[]) => unknown;

function wrap<T extends Sql>(sql: T, schema: string, texts: Texts): T {
  const inTransaction = (work: unknown) =>
    typeof work === 'function' ? (tx: Sql) => (work as AnyFunction)(wrap(tx, schema, texts)) : work;
  const replaced: Record<string, AnyFunction> = {
    unsafe: (text: string, ...others) =>
      (sql.unsafe as AnyFunction)(nameSchemaOutsideLiterals(text, schema), ...others),
    begin: (...args) => (sql.begin as AnyFunction)(...args.map(inTransaction)),
    savepoint: (...args) => (sql as unknown as Record<string, AnyFunction>).savepoint?.(...args.map(inTransaction)),
    reserve: async () => wrap(await sql.reserve(), schema, texts),
  };
  return new Proxy(sql, {
    apply: (target, self, args) => Reflect.apply(target as unknown as AnyFunction, self, rename(args, schema, texts)),
    get: (target, key) => replaced[key as string] ?? Reflect.get(target, key),
  });
}

/** A template's texts are the same array at each call, so they are replaced once. */
function rename([first, ...others]: unknown[], schema: string, texts: Texts): unknown[] {
  if (!Array.isArray(first) || !('raw' in first)) return [first, ...others];
  let named = texts.get(first);
  if (named === undefined) {
    const parts = first.map((text) => nameSchema(text, schema));
    named = Object.assign(parts, { raw: parts });
    texts.set(first, named);
  }
  return [named, ...others];
}
