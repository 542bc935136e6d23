import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import type { ExporterLog } from '../log.ts';
import type { Destination } from './destination.ts';
import type { SendResult } from './gate.ts';

/**
 * Tries at start whether the bucket accepts objects, and logs what is wrong. A problem stops nothing: uploads meet the
 * same error, wait and resume. `failing` is a transient error, `blocked` is any other. Throws DatabaseError.
 */
export async function probeDestination(
  { db, destination, bucket, log }: { db: Database; destination: Destination; bucket: string; log: ExporterLog },
  signal: AbortSignal,
): Promise<'healthy' | 'failing' | 'blocked'> {
  const probe = await destination.probe(await databaseTime(db), signal);
  const where = { bucket, prefix: destination.prefix };
  if (probe.kind === 'error') {
    if (signal.aborted) return 'failing';
    log.bucketUnusable({ ...where, code: probe.code, reason: probe.message });
    return probe.class === 'transient' ? 'failing' : 'blocked';
  }
  if (!probe.reportsMissing) log.listPermissionMissing(where);
  if (probe.conditional) log.bucketChecked(where);
  else log.overwritesPossible(where);
  return 'healthy';
}

/** Whether the bucket accepts objects, as the gate understands it. Throws DatabaseError. */
export async function probeForGate(db: Database, destination: Destination, signal: AbortSignal): Promise<SendResult> {
  const probe = await destination.probe(await databaseTime(db), signal);
  if (signal.aborted) return 'not tried';
  if (probe.kind !== 'error') return 'reached';
  return { class: probe.class === 'transient' ? 'transient' : 'blocked', code: probe.code, reason: probe.message };
}
