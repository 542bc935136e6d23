import type { EachOutcome, StoredEvent } from '@auditbox/db/events/store-each.ts';
import { describeLine, makeReceipts, type ReceiptedEvent, type Receipts } from '@auditbox/evidence/receipt.ts';
import type { NoteSigner } from '@auditbox/evidence/signed-note.ts';
import { runInPieces } from '../http/long-work.ts';

/** A stored event, with the receipt that its writer gets. Null where the api gives no receipts. */
export interface AcceptedEvent extends StoredEvent {
  readonly receipt: string | null;
}

/** As EachOutcome, with receipts. */
export type AcceptOutcome =
  | { readonly stored: true; readonly event: AcceptedEvent }
  | Exclude<EachOutcome, { readonly stored: true }>;

/** Adds a receipt to each stored event of a flush. One signature is for all of them. */
export async function giveReceipts(
  outcomes: readonly EachOutcome[],
  signer: NoteSigner | null,
): Promise<AcceptOutcome[]> {
  const receipts = signer === null ? null : await signStored(outcomes, signer);
  let place = 0;
  return outcomes.map((outcome) => {
    if (!outcome.stored) return outcome;
    const receipt = receipts?.one(place) ?? null;
    place += 1;
    return { stored: true, event: { ...outcome.event, receipt } };
  });
}

async function signStored(outcomes: readonly EachOutcome[], signer: NoteSigner): Promise<Receipts | null> {
  const lines = outcomes.flatMap((outcome) => (outcome.stored ? [describeLine(outcome.event.json)] : []));
  return lines.length === 0 ? null : makeReceipts(lines, signer);
}

/**
 * One receipt for the stored events of a batch. Undefined where the api gives no receipts, so that the answer has no such
 * member. `line` makes the line of an event.
 */
export async function giveBatchReceipt<T>(
  events: readonly T[],
  line: (event: T) => string,
  signer: NoteSigner | null,
): Promise<string | undefined> {
  if (signer === null || events.length === 0) return undefined;
  return (await makeReceipts(await runInPieces(describeAll(events, line)), signer)).all();
}

/** Works in small steps: lines are made and hashed. */
function* describeAll<T>(events: readonly T[], line: (event: T) => string): Generator<void, ReceiptedEvent[]> {
  const described: ReceiptedEvent[] = [];
  for (const event of events) {
    yield;
    described.push(describeLine(line(event)));
  }
  return described;
}
