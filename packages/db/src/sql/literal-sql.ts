import type { Fragment, Sql } from 'postgres';

/** A piece of SQL whose values stand in its text. */
class LiteralText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/**
 * Stands for the driver where a statement cannot have parameters, as COPY cannot: values become literals in the text. It
 * knows what conditions are made of: templates, nested ones too, names of columns, and `unsafe` without parameters.
 */
export const literalSql = Object.assign(
  (first: TemplateStringsArray | string, ...values: readonly unknown[]) =>
    typeof first === 'string' ? new LiteralText(quoteName(first)) : join(first, values),
  { unsafe: (text: string) => new LiteralText(text) },
) as unknown as Sql;

/** The text of what `literalSql` made. */
export function printLiteral(fragment: Fragment): string {
  if (fragment instanceof LiteralText) return fragment.text;
  throw new TypeError('The fragment has parameters; it was not made by literalSql.');
}

function join(texts: readonly string[], values: readonly unknown[]): LiteralText {
  return new LiteralText(texts.reduce((text, next, index) => `${text}${print(values[index - 1])}${next}`));
}

function print(value: unknown): string {
  if (value instanceof LiteralText) return value.text;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value === 'string') return quoteText(value);
  throw new TypeError(`A ${typeof value} cannot stand in the text of a statement.`);
}

/** Safe whatever `standard_conforming_strings` is: a text with a backslash says that it has escapes. */
function quoteText(text: string): string {
  if (text.includes('\0')) throw new TypeError('A text with U+0000 cannot stand in a statement.');
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` e${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

function quoteName(name: string): string {
  if (/^[a-z_]+$/.test(name)) return `"${name}"`;
  throw new TypeError(`${JSON.stringify(name)} is not the name of a column.`);
}
