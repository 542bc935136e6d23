/**
 * A text with its commands as they are called here. Texts are written as a clone calls them (`npm run doctor -- --json`).
 * A container has no npm: there `program` is the name of the program in it, and the same command is `auditbox doctor --json`.
 */
export function nameCommands(text: string, program: string | undefined): string {
  if (!program) return text;
  return text.replace(/npm run ([a-z]+)(-archive)?( --(?= |$|`))?/g, (_whole, name: string) => `${program} ${name}`);
}
