import { nameCommands } from '@auditbox/core/text/name-commands.ts';

/** A command as it is called where the api runs. The api of a container writes the name of its program into the document. */
export function nameCommand(text: string): string {
  return nameCommands(text, document.documentElement.dataset.program);
}
