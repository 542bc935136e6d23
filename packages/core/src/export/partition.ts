const anHourMs = 3_600_000;

/** Width of a partition. */
export type Grain = 'hour' | 'day';

/**
 * The UTC hour (`2026-07-03T11`) or day (`2026-07-03`) of event time that an object is filed under. The ISO 8601 form
 * is readable in the table, and its text order is its time order.
 */
export type Partition = string;

/** The folder of a partition, in the `name=value` form that Hive and Athena read: `dt=2026-07-03/hour=11/`. */
export function partitionFolder(partition: Partition): string {
  const [date, hour] = partition.split('T');
  return hour === undefined ? `dt=${date}/` : `dt=${date}/hour=${hour}/`;
}

/** The first instant after a partition, in milliseconds since 1970. */
export function partitionEndMs(partition: Partition): number {
  const [, hour] = partition.split('T');
  return hour === undefined
    ? Date.parse(`${partition}T00:00:00Z`) + 24 * anHourMs
    : Date.parse(`${partition}:00:00Z`) + anHourMs;
}
