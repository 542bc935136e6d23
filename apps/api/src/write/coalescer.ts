import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type IdentifiedEvent, identify, type TracedEvent } from '@auditbox/db/events/event-record.ts';
import type { EachOutcome, StoredEvent } from '@auditbox/db/events/store-each.ts';

/** Writes single events of concurrent requests together. */
export interface Coalescer {
  /** Resolves once the event is on disk; rejects with what is wrong with it, or with the database. */
  write(event: TracedEvent): Promise<StoredEvent>;
  /** What waits for a statement now. */
  readonly waitingEvents: number;
  readonly waitingBytes: number;
}

export interface CoalescerLimits {
  /** Flushes under way at once, each on a connection of its own. */
  readonly maxFlushes: number;
  readonly maxEventsPerFlush: number;
  readonly maxBytesPerFlush: number;
  /** Beyond either, writes are refused: the queue is the only thing that could grow. */
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}

interface Waiting {
  readonly event: IdentifiedEvent;
  readonly bytes: number;
  resolve(written: StoredEvent): void;
  reject(error: unknown): void;
}

/**
 * Requests that wait at the same moment share one statement. Nobody waits for company: a flush begins as soon as one may,
 * with whatever is there, so batches come from load and not from a timer.
 */
export function createCoalescer(
  storeEach: (events: readonly IdentifiedEvent[]) => Promise<EachOutcome[]>,
  limits: CoalescerLimits,
  onFlushed: (events: number, seconds: number, outcomes: readonly EachOutcome[] | null) => void = () => {},
): Coalescer {
  let queue: Waiting[] = [];
  let queuedBytes = 0;
  let flushes = 0;
  let scheduled = false;
  /** Ids that are being written. A second event of the same id waits, to find the first one stored. */
  const underWay = new Set<string>();

  /** Once all requests that came in together are read. */
  function schedule(): void {
    if (scheduled || queue.length === 0 || flushes >= limits.maxFlushes) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      const batch = takeBatch();
      // All that is left may wait for ids that are under way; the end of a flush comes back to them.
      if (batch.length === 0) return;
      void flush(batch);
      schedule();
    });
  }

  function takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    let bytes = 0;
    for (const waiting of queue) {
      const isFull = batch.length >= limits.maxEventsPerFlush || bytes + waiting.bytes > limits.maxBytesPerFlush;
      if ((isFull && batch.length > 0) || underWay.has(waiting.event.id)) {
        left.push(waiting);
        continue;
      }
      batch.push(waiting);
      bytes += waiting.bytes;
      underWay.add(waiting.event.id);
    }
    queue = left;
    queuedBytes -= bytes;
    return batch;
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    flushes += 1;
    const startedAt = performance.now();
    let outcomes: readonly EachOutcome[] | null = null;
    try {
      outcomes = await storeEach(batch.map(({ event }) => event));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index] as EachOutcome;
        if (outcome.stored) resolve(outcome.event);
        else reject(outcome.error);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      onFlushed(batch.length, (performance.now() - startedAt) / 1000, outcomes);
      flushes -= 1;
      for (const { event } of batch) underWay.delete(event.id);
      schedule();
    }
  }

  return {
    get waitingEvents() {
      return queue.length;
    },
    get waitingBytes() {
      return queuedBytes;
    },
    write(event) {
      const bytes = sizeOf(event);
      if (queue.length >= limits.maxWaiting || queuedBytes + bytes > limits.maxWaitingBytes) {
        return Promise.reject(DatabaseError.busy(queue.length));
      }
      return new Promise((resolve, reject) => {
        queue.push({ event: identify(event), bytes, resolve, reject });
        queuedBytes += bytes;
        schedule();
      });
    },
  };
}

/** About what an event takes in memory and in the statement. */
function sizeOf({ beforeValue, updatedValues, context }: TracedEvent): number {
  return 512 + (beforeValue?.length ?? 0) + (updatedValues?.length ?? 0) + (context?.length ?? 0);
}
