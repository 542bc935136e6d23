import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { BegunRequests } from '@auditbox/db/export/begin-requests.ts';
import { copyDeliveryRows, type DeliveryRow } from '@auditbox/db/export/copy-delivery-rows.ts';
import { findBadRows } from '@auditbox/db/export/find-bad-rows.ts';
import type { Destination } from '@auditbox/destination-kit/destination.ts';
import { createFormatter } from '../../destinations/formats/format.ts';
import { describeAge } from '../../status/describe-status.ts';
import { watchLease } from '../watch-lease.ts';
import { type CutRequest, createCutter, type PlacedRow } from './cut-requests.ts';
import { createProgress, type Progress, type RecordedRejections } from './progress.ts';
import { readThrown } from './read-outcome.ts';
import type { RequestLedger } from './request-ledger.ts';
import { type SendParts, type SendStop, sendRequest } from './send-request.ts';
import { formatSentAs, formsOf, isMeant, parseSentAs, type Selection } from './sent-as.ts';

/** What an attempt works with. */
export interface DeliverParts extends Omit<SendParts, 'delivery' | 'keyParts' | 'progress' | 'signal'> {
  /** The name of the cell; null: there are no other cells. */
  readonly cell: string | null;
  readonly db: Database;
  readonly destination: Destination;
  readonly selection: Selection;
  readonly ledger: RequestLedger;
  /** Called once at the end of an attempt that recorded rejected rows. */
  readonly onRejected: (recorded: RecordedRejections) => void;
}

/** How an attempt ended. After `stopped`, `not rendered` and `interrupted` the caller still holds the lease. */
export type DeliverOutcome =
  | { readonly kind: 'done'; readonly rows: number; readonly rejected: number }
  | { readonly kind: 'lease lost' }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'not rendered'; readonly reason: string }
  | { readonly kind: 'stopped'; readonly by: SendStop; readonly progressed: boolean };

/**
 * One attempt at a delivery by requests: copy rows, format and cut them, send each request, record how far it is. Rows are
 * copied a few megabytes at a time, so memory holds one such part and one request.
 *
 * Where it can die:
 * - before a request or during it: the next attempt cuts at the recorded row and sends the same request again;
 * - after it, before the record: the same, so the receiver gets the request twice, with the same key and bytes;
 * - stopped past its lease: another exporter sends the same requests. This one changes nothing, because its token is over.
 *
 * Throws DatabaseError.
 */
export async function deliverBatch(
  parts: DeliverParts,
  delivery: LeasedDelivery,
  working: AbortSignal,
): Promise<DeliverOutcome> {
  const { ledger, destination, selection } = parts;
  const begun = await ledger.begin(delivery, formatSentAs(selection, destination.limits));
  if (begun === null) return { kind: 'lease lost' };
  const lost = new AbortController();
  const over = new AbortController();
  const watching = watchLease(ledger, delivery, lost, over.signal);
  const progress = createProgress(ledger, delivery, begun.nextRow);
  try {
    const signal = AbortSignal.any([working, lost.signal]);
    return await sendRows({ ...parts, delivery, progress, signal }, begun);
  } catch (error) {
    if (lost.signal.aborted) return { kind: 'lease lost' };
    if (working.aborted) return await stopEarly(progress);
    throw error;
  } finally {
    over.abort();
    await watching;
    if (progress.recorded.rows > 0) parts.onRejected(progress.recorded);
  }
}

/** What was taken is recorded, so that it is not sent again. */
async function stopEarly(progress: Progress): Promise<DeliverOutcome> {
  await progress.flush().catch((error: unknown) => {
    if (!(error instanceof DatabaseError)) throw error;
  });
  return { kind: 'interrupted' };
}

async function sendRows(
  parts: DeliverParts & Pick<SendParts, 'delivery' | 'progress' | 'signal'>,
  begun: BegunRequests,
): Promise<DeliverOutcome> {
  const { db, delivery, progress, signal, destination, cell } = parts;
  const sentAs = parseSentAs(begun.sentAs);
  const { destination: name, batchId } = delivery;
  const sealedAt = sentAs.hasSealInKey ? begun.sealedAt : null;
  const keyParts = { cell, destination: name, batchId, sealedAt, namesParts: sentAs.namesParts === true };
  const format = createFormatter(sentAs.format, sentAs.omit, formsOf(sentAs));
  const cutter = createCutter(sentAs);
  const ageLimit = ageLimitOf(destination);
  const send = (cut: CutRequest) => sendRequest({ ...parts, keyParts }, cut);

  for (let position = begun.nextRow; position < begun.rowCount; ) {
    const copied = await copyDeliveryRows(db, { ...delivery, ...begun }, position, signal);
    if (copied.kind === 'incomplete') {
      if (!(await rejectBadRows(parts)))
        return { kind: 'not rendered', reason: 'Postgres returned fewer rows than the batch has.' };
      if ((await progress.flush()) === 'lost') return { kind: 'lease lost' };
      continue;
    }
    for (const row of copied.rows) {
      position = row.position + 1;
      if (row.isRejected || !isMeant(sentAs, row)) continue;
      const placed = tryToPlace(row, format, destination);
      if ('kind' in placed) return conclude(progress, placed);
      const reason = placed.bytes > sentAs.maxRowBytes ? tooLarge(placed.bytes, sentAs.maxRowBytes) : ageLimit(row);
      if (reason !== null) {
        progress.reject(row, reason);
        continue;
      }
      const full = cutter.add(placed);
      const stop = full && (await send(full));
      if (stop) return conclude(progress, stop);
    }
  }
  const last = cutter.end();
  const stop = last && (await send(last));
  if (stop) return conclude(progress, stop);
  if ((await progress.finish(begun.rowCount)) === 'lost') return { kind: 'lease lost' };
  return { kind: 'done', rows: progress.taken, rejected: progress.rejected };
}

async function conclude(progress: Progress, by: SendStop): Promise<DeliverOutcome> {
  if (by.kind === 'lease lost') return { kind: 'lease lost' };
  if ((await progress.flush()) === 'lost') return { kind: 'lease lost' };
  return by.kind === 'interrupted' ? { kind: 'interrupted' } : { kind: 'stopped', by, progressed: progress.taken > 0 };
}

/** Rejects rows that can never be rendered. False if there are no such rows. */
async function rejectBadRows({ db, delivery, progress }: { db: Database } & Pick<SendParts, 'delivery' | 'progress'>) {
  const bad = await findBadRows(db, delivery);
  for (const { outboxId, reason } of bad) progress.reject({ outboxId }, reason);
  return bad.length > 0;
}

/** A destination may fail to say how long a row is. That stops this destination, and no other. */
function tryToPlace(...parameters: Parameters<typeof place>): PlacedRow | Extract<SendStop, { kind: 'retry' }> {
  try {
    return place(...parameters);
  } catch (error) {
    return readThrown(error);
  }
}

function place(row: DeliveryRow, format: (line: string) => string, { limits }: Destination): PlacedRow {
  const { position, outboxId, id, occurredAt, recordedAt, action, tableName, objectId, changedBy } = row;
  // Each name by itself: copying the others by `...` takes ten times as long, for each event.
  const formatted = { id, occurredAt, recordedAt, action, tableName, objectId, changedBy, line: format(row.line) };
  const bytes = limits.rowBytes?.(formatted) ?? Buffer.byteLength(formatted.line) + 1;
  return { position, outboxId, bytes, row: formatted };
}

function tooLarge(bytes: number, most: number): string {
  return `The row has ${bytes} bytes; the destination accepts at most ${most}.`;
}

/** Why a row is too old for the destination, or null. */
function ageLimitOf({ limits: { maxAgeMs } }: Destination): (row: DeliveryRow) => string | null {
  if (maxAgeMs === undefined) return () => null;
  const reason = `The event is older than ${describeAge(maxAgeMs / 1_000)}. The destination accepts no older ones.`;
  return ({ occurredAt }) => (Date.now() - Date.parse(occurredAt) > maxAgeMs ? reason : null);
}
