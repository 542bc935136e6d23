import { exitCodes } from '../archive-error.ts';
import type { CommandParts } from '../command-parts.ts';

const why = `Nothing was erased. An object of the archive is written once and never changed:
- The signed log has the hash of each object. After a change every check would report the object as altered, and it would be right.
- With Object Lock the store itself refuses until the retention ends.
Keep personal data out of events, or encrypt it with a key for each person before it is sent: to erase a person, destroy the key.
See docs/archive.md, "Erasure".
`;

/** Nothing is erased: it says why, and what to do instead. */
export function erase({ say, write, json }: Pick<CommandParts, 'say' | 'write'> & { json: boolean }): number {
  if (json) write(`${JSON.stringify({ erased: 0, says: why.trim() })}\n`);
  else say(why);
  return exitCodes.refused;
}
