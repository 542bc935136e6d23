/** One word of a command for a person to copy. A folder such as /home/o'brien has a quote in its name. */
export function quoteForShell(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
