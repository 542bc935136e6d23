import { lowerBound, upperBound } from '@auditbox/core/event/event-time.ts';
import { type Command, InvalidArgumentError } from 'commander';

/* How several commands read the values of their options. Each throws what commander shows next to the option. */

/** The first moment of a date, or a time. */
export const readFrom = (text: string): string => readTime(lowerBound(text));

/** The last moment of a date, or a time. */
export const readTo = (text: string): string => readTime(upperBound(text));

function readTime(instant: string | null): string {
  if (instant !== null) return instant;
  throw new InvalidArgumentError('Expected a date (2026-07-03) or an RFC 3339 time with an offset.');
}

/** Ends the program when a range ends before it begins. No event is in it, and an answer about none would look like one about all. */
export function requireOrder(
  cli: Command,
  { from, to }: { readonly from?: string | null | undefined; readonly to?: string | null | undefined },
  exitCode = 1,
): void {
  if (from && to && from > to) cli.error('error: --from is after --to', { exitCode });
}

/** An object, as `teams/42`. The id may hold slashes. */
export function readObjectName(text: string): { readonly tableName: string; readonly objectId: string } {
  const slash = text.indexOf('/');
  if (slash > 0 && slash < text.length - 1) return { tableName: text.slice(0, slash), objectId: text.slice(slash + 1) };
  throw new InvalidArgumentError('Expected a table, a slash and an id, such as teams/42.');
}
