import { columnOf, type EventColumn, type EventRow, toRow } from './event-columns.ts';

/** What a line of an object must have. Of several values of one member, one must match. */
export interface LineFilter {
  /** Event times, both included: ISO 8601 in UTC with six fraction digits. Null has no bound. */
  readonly from: string | null;
  readonly to: string | null;
  /** Exact values of members. An empty or missing list allows every value. */
  readonly members: Readonly<Partial<Record<EventColumn, readonly string[]>>>;
}

/** A line that matches, and its members. */
export interface MatchedLine {
  readonly line: string;
  readonly row: EventRow;
  /** Its event time with six fraction digits, so that the order of texts is the order of times. */
  readonly at: string;
}

/** Makes the function that matches a line. Most lines are rejected by their bytes, without being decoded. */
export function createLineMatcher({ from, to, members }: LineFilter): (bytes: Buffer) => MatchedLine | null {
  const wanted = Object.entries(members).filter(([, values]) => values.length > 0) as [
    EventColumn,
    readonly string[],
  ][];
  const needles = wanted.map(([name, values]) => toNeedles(name, values));
  return (bytes) => {
    if (!needles.every((any) => any.some((needle) => bytes.includes(needle)))) return null;
    const line = bytes.toString();
    const row = toRow(line);
    const time = withMicroseconds(columnOf(row, 'updated_at') ?? '');
    const matches =
      (from === null || from <= time) &&
      (to === null || time <= to) &&
      // A value inside of `before_value` may look the same as a member.
      wanted.every(([name, values]) => values.includes(columnOf(row, name) ?? ''));
    return matches ? { line, row, at: time } : null;
  };
}

/** The member as Postgres writes it. A missing member has an empty text, and no bytes to look for. */
function toNeedles(name: string, values: readonly string[]): (Buffer | string)[] {
  return values.map((value) => (value === '' ? '' : Buffer.from(`"${name}":${JSON.stringify(value)}`)));
}

/** So that the order of texts is the order of times. */
function withMicroseconds(time: string): string {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}Z`;
}
