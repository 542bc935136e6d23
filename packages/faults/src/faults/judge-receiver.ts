import { type Receiver, receiverName } from '../scene/receiver.ts';
import type { Scene } from '../scene/scene.ts';
import { BrokenPromise, type Strike } from './fault.ts';
import { waitFor } from './wait-for.ts';

/** Several requests for each batch, so that a batch can be left in its middle. */
export const webhook = {
  type: 'webhook',
  secrets: [`whsec_${'A'.repeat(32)}`],
  body: 'ndjson',
  maxRows: 7,
  timeoutMs: 500,
} as const;

export function receiverOf({ receiver }: Scene): Receiver {
  if (!receiver) throw new Error('This fault needs a receiver.');
  return receiver;
}

/** Every acknowledged event was taken at least once, and no key came with other bytes. Stops the writer. */
export async function judgeReceiver({ scene, writer }: Strike): Promise<void> {
  await writer.stop();
  for (const { db } of scene.cells)
    await waitFor(
      db.sql,
      (sql) => sql`select where not exists (
        select from auditbox.outbox_status where destination = ${receiverName} and state not in ('done', 'rejected'))`,
    );
  const acknowledged = [...writer.sent].filter(([, { outcome }]) => outcome === 'acknowledged');
  expectTaken(
    receiverOf(scene),
    acknowledged.map(([id]) => id),
  );
  expectSameBytes(receiverOf(scene));
  for (const { db } of scene.cells) {
    const [rejection] = await db.sql`select reason from auditbox.rejection where destination = ${receiverName}`;
    if (rejection) throw new BrokenPromise(`An event was rejected: ${rejection.reason}`);
  }
}

export function expectTaken(receiver: Receiver, ids: Iterable<string>): void {
  const taken = receiver.takenIds();
  const lost = [...ids].filter((id) => !taken.has(id));
  if (lost.length > 0) throw new BrokenPromise(`The receiver did not get ${lost.length} events: ${lost[0]}`);
}

function expectSameBytes({ received }: Receiver): void {
  const hashes = new Map<string, string>();
  for (const { key, sha256 } of received) {
    if (key === null) continue;
    if (hashes.has(key) && hashes.get(key) !== sha256) throw new BrokenPromise(`${key} came with other bytes.`);
    hashes.set(key, sha256);
  }
}

/** A receiver that keeps the keys of requests has each event once. `from` is the first request that counts. */
export function expectOneKeyEach({ received }: Receiver, from = 0): void {
  const keys = new Map<string, string | null>();
  for (const { key, ids } of received.slice(from)) {
    for (const id of ids) {
      const other = keys.get(id);
      if (other !== undefined && other !== key)
        throw new BrokenPromise(`${id} came with the keys ${other} and ${key}.`);
      keys.set(id, key);
    }
  }
}

export async function databaseNow({ db }: Scene): Promise<string> {
  const [{ now }] = await db.sql<[{ now: string }]>`select clock_timestamp()::text as now`;
  return now;
}

/** A time of the database, until the next phase. */
interface Phase {
  readonly from: string;
  readonly until: string;
}

/**
 * Two phases of a busy machine differ by seconds. A receiver that S3 waits for costs its time-out of a minute, or the whole fault if
 * it answers and takes nothing.
 */
const mayBeBehindMs = (beforeMs: number) => 2 * beforeMs + 15_000;

/** Compares the lag of S3 during a fault with its lag before. Resolves once S3 has all events of both. */
export async function compareLagOfS3(scene: Scene, before: Phase, during: Phase): Promise<{ expect(): void }> {
  await waitFor(
    scene.db.sql,
    (sql) => sql`select where not exists (
      select from auditbox.outbox_status
      where destination = 's3' and state <> 'done' and recorded_at <= ${during.until}::text::timestamptz)`,
  );
  const usualMs = await medianLagMs(scene, before);
  const faultMs = await medianLagMs(scene, during);
  return {
    expect() {
      if (faultMs > mayBeBehindMs(usualMs))
        throw new BrokenPromise(`During the fault S3 is ${faultMs} ms behind; before it was ${usualMs} ms.`);
    },
  };
}

/** From the recorded time of a batch's first event to the end of its delivery to S3. */
async function medianLagMs({ db }: Scene, { from, until }: Phase): Promise<number> {
  const [{ lag }] = await db.sql<[{ lag: number | null }]>`
    select (extract(epoch from percentile_cont(0.5) within group (order by d.done_at - b.first_recorded_at)) * 1000)::float8 as lag
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
    where d.destination = 's3' and b.first_recorded_at between ${from}::text::timestamptz and ${until}::text::timestamptz`;
  if (lag === null) throw new Error('No batch was exported in this phase.');
  return Math.round(lag);
}
