import type { TimeRange } from '../bucket/time-range.ts';
import type { CommandParts } from '../command-parts.ts';
import type { RowFormat } from '../query/print-rows.ts';
import { runStatement } from '../query/run-statement.ts';
import { withEvents } from '../query/with-events.ts';

export interface QueryCommand {
  readonly kind: 'query';
  readonly sql: string;
  readonly range: TimeRange;
  readonly format: RowFormat;
  readonly usesParquet: boolean;
}

/** Runs one statement of SQL over the events of a range. Resolves to the exit code. */
export async function query(parts: CommandParts, command: QueryCommand): Promise<number> {
  const { sql, format } = command;
  await withEvents(parts, command, (connection) => runStatement(connection, sql, format, parts.write));
  return 0;
}
