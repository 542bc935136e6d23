/** How many months ahead partitions are made: exporters that make them may be down for that long. */
const monthsAhead = 3;

/** The first instants of this month and the next ones, ISO 8601 in UTC. */
export function monthsFrom(now: Date): string[] {
  return Array.from({ length: monthsAhead + 1 }, (_, n) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + n, 1)).toISOString(),
  );
}
