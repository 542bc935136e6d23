import { counted } from '@auditbox/core/text/counted.ts';
import { printable } from '@auditbox/evidence/printable.ts';
import { ArchiveError, exitCodes } from '../archive-error.ts';
import type { CommandParts } from '../command-parts.ts';
import { createMatcher, type EventFilter, type ShownEvent } from '../find/filter.ts';

export interface FindCommand {
  readonly kind: 'find';
  readonly filter: EventFilter;
  readonly limit: number;
  readonly json: boolean;
}

/** Prints the events that match, object by object: by event time within each. Resolves to the exit code. */
export async function find(
  { archive, progress, write, say, signal }: CommandParts,
  { filter, limit, json }: FindCommand,
): Promise<number> {
  const match = createMatcher(filter);
  const full = new AbortController();
  let [found, objects] = [0, 0];
  let written: unknown;
  try {
    for await (const object of archive.list(filter.range)) {
      objects += 1;
      progress(() => `${counted(objects, 'object')} read, ${counted(found, 'event')} found; at ${object.path}.`);
      await archive.readLines(
        object,
        (bytes) => {
          if (found === limit) return;
          const one = match(bytes);
          if (one === null) return;
          found += 1;
          written = write(json ? `${one.line}\n` : describe(one.event));
          if (found === limit) full.abort();
        },
        full.signal,
      );
      // A slow reader: memory holds what one object has.
      await written;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!full.signal.aborted) throw asPart(error, found);
  }
  say(`${counted(found, 'event')} in ${counted(objects, 'object')}.\n`);
  return found > 0 ? exitCodes.done : exitCodes.nothingFound;
}

/** What was printed must not look like all of it. */
function asPart(error: unknown, found: number): unknown {
  if (!(error instanceof ArchiveError)) return error;
  const part = `The search ended there: ${counted(found, 'event was', 'events were')} found before, and there may be more.`;
  return new ArchiveError(`${error.message} ${part}`, error.exitCode);
}

function describe({ updatedAt, changedBy, action, tableName, objectId, id }: ShownEvent): string {
  // A name may hold what would change the terminal, and an odd one must be seen.
  return `${printable(`${updatedAt}  ${changedBy}  ${action}  ${tableName}/${objectId}  ${id}`)}\n`;
}
