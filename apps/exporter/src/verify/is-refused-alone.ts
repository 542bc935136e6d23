import { archivedCode, mayBeOfOneObject } from '@auditbox/s3/refused-object.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import { probeName } from '../destinations/s3/s3-destination.ts';

/**
 * Whether the store does not hand out one object, and hands out others: the object is archived, or it has another owner or another key. Its
 * writer may have chosen that. The object that an exporter writes at its start shows whether anything can be read.
 */
export async function isRefusedAlone(
  destination: Pick<Destination, 'read' | 'prefix'>,
  error: DestinationError,
  signal: AbortSignal,
): Promise<boolean> {
  if (error.code === archivedCode) return true;
  if (!mayBeOfOneObject(error)) return false;
  const control = await destination.read(`${destination.prefix}${probeName}`, signal);
  return control.kind !== 'error';
}
