import type { DestinationError } from '../destinations/destination.ts';

/** Whether one object lies in an archive class. Nobody can read it before it is restored, and other objects can be read. */
export function isArchived({ code }: Pick<DestinationError, 'code'>): boolean {
  return code === 'InvalidObjectState';
}
