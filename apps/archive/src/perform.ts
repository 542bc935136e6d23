import { createInterface } from 'node:readline';
import type { ArchiveCommand } from './cli.ts';
import type { CommandParts } from './command-parts.ts';
import { compact } from './commands/compact.ts';
import { find } from './commands/find.ts';
import { get } from './commands/get.ts';
import { hours } from './commands/hours.ts';
import { query } from './commands/query.ts';
import { restore } from './commands/restore.ts';
import { shell } from './commands/shell.ts';

/** Resolves to the exit code. Throws ArchiveError and DatabaseError. */
export function perform(parts: CommandParts, given: Exclude<ArchiveCommand, { kind: 'erase' }>): Promise<number> {
  switch (given.kind) {
    case 'query':
      return query(parts, given);
    case 'shell':
      return shell(parts, given, readStandardInput(parts.signal));
    case 'get':
      return get(parts, given);
    case 'find':
      return find(parts, given);
    case 'restore':
      return restore(parts, given);
    case 'compact':
      return compact(parts, given);
    case 'hours':
      return hours(parts, given);
    default:
      return given satisfies never;
  }
}

/** Opened at the first line that is asked for: an open reader without a listener would lose lines. */
async function* readStandardInput(signal: AbortSignal): AsyncIterable<string> {
  yield* createInterface({ input: process.stdin, terminal: false, signal });
}
