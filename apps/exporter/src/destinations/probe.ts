import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { hasDeliveryToTry } from '@auditbox/db/export/unexported.ts';
import type { ExporterLog } from '../log.ts';
import type { Destination, DestinationError } from './destination.ts';
import type { SendError, SendResult } from './gate.ts';

/**
 * Tries at start whether the bucket accepts objects, and logs what is wrong. Resolves to what the gate must know: a system without
 * events would otherwise look well until the first one. A bucket that takes this small object may refuse batches, and one may
 * just have been refused, so the gate is told only what is wrong. Throws DatabaseError.
 */
export async function probeDestination(
  { db, destination, bucket, log }: { db: Database; destination: Destination; bucket: string; log: ExporterLog },
  signal: AbortSignal,
): Promise<SendResult> {
  const probe = await destination.probe(await databaseTime(db), signal);
  const where = { bucket, prefix: destination.prefix };
  if (probe.kind === 'error') {
    if (signal.aborted) return 'not tried';
    log.bucketUnusable({ ...where, code: probe.code, reason: probe.message });
    return toSendError(probe);
  }
  if (!probe.reportsMissing) log.listPermissionMissing(where);
  if (probe.conditional) log.bucketChecked(where);
  else log.overwritesPossible(where);
  return 'not tried';
}

/**
 * Whether the bucket accepts objects, as the gate understands it. A bucket that takes a small object may refuse batches, so this
 * opens the gate only when no batch could show it. Throws DatabaseError.
 */
export async function probeForGate(
  { db, destination, destinationName }: { db: Database; destination: Destination; destinationName: string },
  signal: AbortSignal,
): Promise<SendResult> {
  if (await hasDeliveryToTry(db, destinationName)) return 'not tried';
  const probe = await destination.probe(await databaseTime(db), signal);
  if (signal.aborted) return 'not tried';
  if (probe.kind !== 'error') return 'reached';
  return toSendError(probe);
}

/** No batch was sent, so an error that is not transient concerns every batch. */
function toSendError({ class: errorClass, code, message }: DestinationError): SendError {
  return { class: errorClass === 'transient' ? 'transient' : 'blocked', code, reason: message };
}
