import type { Database } from '@auditbox/db/database/connect.ts';
import { listDestinations } from '@auditbox/db/export/destinations.ts';
import { HttpProblem } from '../http/problem.ts';

/** Throws a 404 that names the destinations that there are. */
export async function requireDestination(db: Database, name: string): Promise<void> {
  const known = (await listDestinations(db)).map((one) => one.name);
  if (!known.includes(name)) throw noSuchDestination(known);
}

function noSuchDestination(known: readonly string[]): HttpProblem {
  const names = known.length === 0 ? 'No exporter has added one yet.' : `There are: ${known.join(', ')}.`;
  return new HttpProblem(404, `There is no such destination. ${names}`);
}
