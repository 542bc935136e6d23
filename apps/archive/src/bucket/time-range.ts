/** Event times, both inclusive, ISO 8601 in UTC with six fraction digits. Null has no bound. */
export interface TimeRange {
  readonly from: string | null;
  readonly to: string | null;
}

/**
 * Whether a partition may hold events of the range. Event time chooses the folder, so a late event lies in the folder of the
 * hour in which it happened, and no other folder needs to be read.
 */
export function mayHold({ from, to }: TimeRange, partition: string): boolean {
  const bound = (time: string) => time.slice(0, partition.length);
  return (from === null || bound(from) <= partition) && (to === null || partition <= bound(to));
}

/** `all times`, or the bounds, for people. */
export function describeRange({ from, to }: TimeRange): string {
  if (from === null && to === null) return 'all times';
  return [from && `from ${from}`, to && `to ${to}`].filter(Boolean).join(' ');
}
