import { ArchiveError } from '../archive-error.ts';
import type { TimeRange } from '../bucket/time-range.ts';
import type { CommandParts } from '../command-parts.ts';
import type { RowFormat } from '../query/print-rows.ts';
import { runStatement } from '../query/run-statement.ts';
import { withEvents } from '../query/with-events.ts';

export interface ShellCommand {
  readonly kind: 'shell';
  readonly range: TimeRange;
  readonly format: RowFormat;
  readonly usesParquet: boolean;
}

/** Runs the statements that come in: each ends in a semicolon. One that fails is explained. Resolves to the exit code. */
export async function shell(parts: CommandParts, command: ShellCommand, lines: AsyncIterable<string>): Promise<number> {
  const { say, write, signal } = parts;
  await withEvents(parts, command, async (connection) => {
    say('Statements end in ; and the view is named events. Ctrl-D ends.\n');
    let statement = '';
    for await (const line of lines) {
      statement += `${line}\n`;
      if (!/;\s*$/.test(statement)) continue;
      try {
        await runStatement(connection, statement, command.format, write);
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ArchiveError)) throw error;
        say(`${error.message}\n`);
      }
      statement = '';
    }
    // A stop ends the lines, too.
    signal.throwIfAborted();
  });
  return 0;
}
