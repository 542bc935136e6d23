import { nameCommands } from '@auditbox/core/text/name-commands.ts';

/** A text with the commands of this environment. */
export function withCommands(text: string): string {
  return nameCommands(text, process.env.AUDITBOX_COMMAND);
}
