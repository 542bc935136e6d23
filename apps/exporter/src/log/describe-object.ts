import type { UnloggedBatch } from '@auditbox/db/log/find-unlogged.ts';
import { createLineTree } from '@auditbox/evidence/line-tree.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import { isRefusedAlone } from '../verify/is-refused-alone.ts';

/** A batch about which everything is known that its entry says. */
export type DescribedBatch = {
  readonly [Field in keyof UnloggedBatch]: Field extends 'tenant' ? string | null : NonNullable<UnloggedBatch[Field]>;
};

export type Description =
  | { readonly kind: 'described'; readonly batch: DescribedBatch }
  /** The object is missing, or is not what the delivery recorded. It is not logged. */
  | { readonly kind: 'different'; readonly reason: string }
  | DestinationError;

/** Null when the object must be read. */
export function asDescribed(batch: UnloggedBatch): DescribedBatch | null {
  const { lines, objectSha256, recordedFirst, recordedLast } = batch;
  if (lines === null || objectSha256 === null || recordedFirst === null || recordedLast === null) return null;
  return { ...batch, lines, objectSha256, recordedFirst, recordedLast };
}

/** Reads a batch's object once for what was not recorded at its export. */
export async function describeObject(
  destination: Destination,
  batch: UnloggedBatch,
  signal: AbortSignal,
): Promise<Description> {
  const times = createTimeRanges();
  const tree = createLineTree((line) => times.add(line));
  const read = await destination.read(batch.key, signal, tree.add);
  if (read.kind === 'missing') return { kind: 'different', reason: `The object ${batch.key} is missing.` };
  if (read.kind === 'error') {
    const reason = `The object ${batch.key} cannot be read. ${read.message}`;
    // It waits for its restore, and the other batches are logged.
    if (await isRefusedAlone(destination, read, signal)) return { kind: 'different', reason };
    return { ...read, message: reason };
  }
  const { content } = read;
  if (content?.sha256 !== batch.sha256)
    return { kind: 'different', reason: `The object ${batch.key} is not what was exported.` };
  const { rows, ndjsonBytes: bytes, objectBytes, objectSha256 } = content;
  const { first, last, recordedFirst, recordedLast } = times.read() ?? {};
  // A database that was restored may lack rows of the object.
  const isWhole = rows === batch.rows;
  return {
    kind: 'described',
    batch: {
      ...batch,
      ...{ rows, bytes, objectBytes, objectSha256, lines: tree.root() },
      first: isWhole ? batch.first : (first ?? batch.first),
      last: isWhole ? batch.last : (last ?? batch.last),
      recordedFirst: (isWhole ? batch.recordedFirst : null) ?? recordedFirst ?? batch.first,
      recordedLast: (isWhole ? batch.recordedLast : null) ?? recordedLast ?? batch.last,
    },
  };
}

interface TimeRanges {
  readonly first: string;
  readonly last: string;
  readonly recordedFirst: string;
  readonly recordedLast: string;
}

/** The event times and recorded times of lines. Texts with six fraction digits sort like times. */
function createTimeRanges() {
  let ranges: TimeRanges | null = null;
  return {
    add(line: Buffer): void {
      const event = eventTime.exec(line.toString('latin1', 0, beginBytes))?.[1];
      // It stands behind all values, which may have a member of this name. Within a text its quotes are escaped.
      const at = line.lastIndexOf(',"recorded_at":"');
      const recorded = at === -1 ? null : recordedTime.exec(line.toString('latin1', at, at + beginBytes))?.[1];
      if (!event || !recorded) return;
      const [first, recordedFirst] = [widen(event), widen(recorded)];
      ranges = {
        first: ranges && ranges.first < first ? ranges.first : first,
        last: ranges && ranges.last > first ? ranges.last : first,
        recordedFirst: ranges && ranges.recordedFirst < recordedFirst ? ranges.recordedFirst : recordedFirst,
        recordedLast: ranges && ranges.recordedLast > recordedFirst ? ranges.recordedLast : recordedFirst,
      };
    },
    read: () => ranges,
  };
}

const beginBytes = 100;
const eventTime = /^\{"id":"[0-9a-f-]{36}","updated_at":"([^"]+)Z"/;
const recordedTime = /^,"recorded_at":"([^"]+)Z"/;

/** A time of an entry has six fraction digits. A line has those that the event was sent with. */
function widen(time: string): string {
  const [seconds = '', fraction = ''] = time.split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}Z`;
}
