import type { Database } from '@auditbox/db/database/connect.ts';
import { addDestination, listDestinations, pauseDestination } from '@auditbox/db/export/destinations.ts';
import type { ExporterLog } from '../../log.ts';
import type { DestinationsSettings } from './configured-destination.ts';

/**
 * Brings the database's destinations in line with the configuration: adds those that it does not know, and pauses or resumes
 * those whose entry says so. One that is not in the configuration any more is kept and logged. Safe at the same time in
 * several processes. Throws DatabaseError.
 */
export async function registerDestinations(
  { all, served }: DestinationsSettings,
  { db, log }: { readonly db: Database; readonly log: ExporterLog },
): Promise<void> {
  const known = await listDestinations(db);
  for (const { name, history, paused } of served) {
    const existing = known.find((one) => one.name === name);
    if (existing === undefined) {
      const isAdded = await addDestination(db, name, { isPaused: paused ?? false, history });
      if (isAdded) log.destinationAdded({ destination: name, since: history === null ? 'now' : history.since });
    } else if (paused !== null && paused !== existing.isPaused) {
      await pauseDestination(db, name, paused);
    }
  }
  for (const { name } of known) {
    const isConfigured = name === 's3' || all.some((one) => one.name === name);
    if (!isConfigured) log.destinationOrphaned({ destination: name });
  }
}
