import { createHash } from 'node:crypto';
import type { NewAuditEvent } from '../wire.ts';

/** An event of the spool, or a line that the disk did not keep. */
export type SpoolLine =
  | { readonly kind: 'event'; readonly event: NewAuditEvent }
  | { readonly kind: 'damaged'; readonly text: string };

/** An event as a line with a hash, which shows later whether the disk has all of it. */
export function printLine(event: NewAuditEvent): string {
  const json = JSON.stringify(event);
  return `${hash(json)} ${json}\n`;
}

/**
 * Reads the lines of a file. The process may have been killed while it wrote the last line. Then the line has no end, its
 * event was never acknowledged, and it is left out.
 */
export function readLines(text: string): SpoolLine[] {
  return text.split('\n').slice(0, -1).map(readLine);
}

function readLine(text: string): SpoolLine {
  const json = text.slice(text.indexOf(' ') + 1);
  return text.startsWith(`${hash(json)} `)
    ? { kind: 'event', event: JSON.parse(json) as NewAuditEvent }
    : { kind: 'damaged', text };
}

function hash(json: string): string {
  return createHash('sha256').update(json).digest('hex').slice(0, 16);
}
