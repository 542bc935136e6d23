import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';

/** The command that sends again what a destination rejected, or what failed there. */
export function replayCommand(destination: string): string {
  return destination === archiveDestination
    ? 'npm run exporter -- --replay-failed'
    : `npm run destinations -- replay ${destination}`;
}
