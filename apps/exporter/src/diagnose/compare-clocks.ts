import { type Finding, fails, unknown, works } from './finding.ts';

/** A third of what S3 bears, and all that the database lets an event time be ahead. */
const maxApartMs = 300_000;

const advice =
  'Set the clocks by NTP: S3 refuses requests that are 15 minutes off, and a retention counts from the database.';

/** How far the database's and the store's clocks are ahead of this machine's, in ms; null where it is not known. */
export function compareClocks(databaseMs: number | null, storeMs: number | null): Finding {
  const says = `Beside this machine's, the database's is ${inWords(databaseMs)}, the store's ${inWords(storeMs)}.`;
  const known = [0, databaseMs, storeMs].filter((ms) => ms !== null);
  if (Math.max(...known) - Math.min(...known) > maxApartMs) return fails('clocks', says, { advice });
  return known.length === 3 ? works('clocks', says) : unknown('clocks', says);
}

function inWords(aheadMs: number | null): string {
  if (aheadMs === null) return 'not known';
  const seconds = Math.abs(aheadMs) / 1000;
  if (seconds < 1) return 'less than a second off';
  return `${Math.round(seconds)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}
