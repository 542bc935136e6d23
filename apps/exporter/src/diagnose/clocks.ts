import { type Finding, fails, unknown, works } from './finding.ts';

/** A third of what S3 tolerates, and how far ahead the database lets an event time be. */
const maxApartMs = 300_000;

const advice =
  'Set the clocks by NTP. S3 rejects requests that are 15 minutes off, and a retention counts by the database.';

/** How far the clocks of the database and the store are ahead of this machine's, in ms; null where it is unknown. */
export function compareClocks(databaseMs: number | null, storeMs: number | null): Finding {
  const says = `Compared with this machine's clock, the database's is ${describe(databaseMs)} and the store's is ${describe(storeMs)}.`;
  const known = [0, databaseMs, storeMs].filter((ms) => ms !== null);
  if (Math.max(...known) - Math.min(...known) > maxApartMs) return fails('clocks', says, { advice });
  return known.length === 3 ? works('clocks', says) : unknown('clocks', says);
}

function describe(aheadMs: number | null): string {
  if (aheadMs === null) return 'unknown';
  const seconds = Math.abs(aheadMs) / 1000;
  if (seconds < 1) return 'less than a second off';
  return `${Math.round(seconds)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}
