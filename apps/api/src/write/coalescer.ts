import { within } from '@auditbox/core/within.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { type IdentifiedEvent, identify, type TracedEvent } from '@auditbox/db/events/event-record.ts';
import type { AcceptedEvent, AcceptOutcome } from './receipts.ts';

/** Writes single events of concurrent requests together. */
export interface Coalescer {
  /**
   * Resolves when the event is on disk; rejects with the error of the event or of the database. `endsAt`, by
   * performance.now(), is when the caller gets an error in any case. An event that still waits then is not stored.
   */
  write(event: TracedEvent, endsAt?: number): Promise<AcceptedEvent>;
  /** Events that wait for a statement now. */
  readonly waitingEvents: number;
  readonly waitingBytes: number;
}

export interface CoalescerLimits {
  /** Flushes that run at once, each on a separate connection. */
  readonly maxFlushes: number;
  readonly maxEventsPerFlush: number;
  readonly maxBytesPerFlush: number;
  /** Above either limit writes are rejected: the queue is the only part that could grow. One key's events may be half of each. */
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  /**
   * From the call to the answer. An event may wait behind others that get no answer. That wait must not be added to its own
   * deadline.
   */
  readonly deadlineMs: number;
}

/** The events of one key that wait. */
interface Line {
  queue: Waiting[];
  bytes: number;
}

interface Waiting {
  readonly event: IdentifiedEvent;
  readonly bytes: number;
  resolve(written: AcceptedEvent): void;
  reject(error: unknown): void;
}

/**
 * Requests that wait at the same moment share one statement. No request waits for others: a flush begins as soon as a
 * connection is free, with every event that is there. So the load makes the batches, not a timer. If not all of them fit, each key gets
 * in with as many events as any other. The events of a key are taken in their
 * order, so that a large one does not wait for ever while small ones pass it.
 */
export function createCoalescer(
  storeEach: (events: readonly IdentifiedEvent[]) => Promise<AcceptOutcome[]>,
  limits: CoalescerLimits,
  onFlushed: (events: number, seconds: number, outcomes: readonly AcceptOutcome[] | null) => void = () => {},
): Coalescer {
  const lines = new Map<string, Line>();
  let queued = 0;
  let queuedBytes = 0;
  let flushes = 0;
  let scheduled = false;
  /** Ids that are being written. A second event with the same id waits until the first one is stored. */
  const inFlight = new Set<string>();

  /** Flushes after all requests that arrived together are read. */
  function schedule(): void {
    if (scheduled || queued === 0 || flushes >= limits.maxFlushes) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      const batch = takeBatch();
      // Every queued event may wait for an id that is being written. The end of that flush schedules again.
      if (batch.length === 0) return;
      void flush(batch);
      schedule();
    });
  }

  function takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let bytes = 0;
    const fits = (waiting: Waiting) =>
      batch.length === 0 ||
      (batch.length < limits.maxEventsPerFlush && bytes + waiting.bytes <= limits.maxBytesPerFlush);
    let takers = Array.from(lines, ([holder, line]) => ({ holder, line, at: 0, kept: [] as Waiting[] }));
    const all = takers;
    while (takers.length > 0) {
      // Each takes its next event. One whose next event does not fit takes no more.
      takers = takers.filter((taker) => {
        for (; taker.at < taker.line.queue.length; taker.at += 1) {
          const waiting = taker.line.queue[taker.at] as Waiting;
          if (inFlight.has(waiting.event.id)) {
            taker.kept.push(waiting);
            continue;
          }
          if (!fits(waiting)) return false;
          taker.at += 1;
          batch.push(waiting);
          bytes += waiting.bytes;
          taker.line.bytes -= waiting.bytes;
          inFlight.add(waiting.event.id);
          return true;
        }
        return false;
      });
    }
    for (const { holder, line, at, kept } of all) {
      const hasTaken = at > kept.length;
      if (!hasTaken) continue;
      line.queue = [...kept, ...line.queue.slice(at)];
      lines.delete(holder);
      // Behind those that got nothing.
      if (line.queue.length > 0) lines.set(holder, line);
    }
    queued -= batch.length;
    queuedBytes -= bytes;
    return batch;
  }

  /** Does nothing if the event is being written. */
  function remove(holder: string, waiting: Waiting): void {
    const line = lines.get(holder);
    const at = line?.queue.indexOf(waiting) ?? -1;
    if (line === undefined || at === -1) return;
    line.queue.splice(at, 1);
    line.bytes -= waiting.bytes;
    queued -= 1;
    queuedBytes -= waiting.bytes;
    if (line.queue.length === 0) lines.delete(holder);
  }

  async function flush(batch: readonly Waiting[]): Promise<void> {
    flushes += 1;
    const startedAt = performance.now();
    let outcomes: readonly AcceptOutcome[] | null = null;
    try {
      outcomes = await storeEach(batch.map(({ event }) => event));
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index] as AcceptOutcome;
        if (outcome.stored) resolve(outcome.event);
        else reject(outcome.error);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      onFlushed(batch.length, (performance.now() - startedAt) / 1000, outcomes);
      flushes -= 1;
      for (const { event } of batch) inFlight.delete(event.id);
      schedule();
    }
  }

  return {
    get waitingEvents() {
      return queued;
    },
    get waitingBytes() {
      return queuedBytes;
    },
    write(event, endsAt = performance.now() + limits.deadlineMs) {
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) return Promise.reject(DatabaseError.late(limits.deadlineMs));
      const bytes = estimateBytes(event);
      const holder = event.origin?.recordedBy ?? '';
      const line = lines.get(holder) ?? { queue: [], bytes: 0 };
      const isFull = queued >= limits.maxWaiting || queuedBytes + bytes > limits.maxWaitingBytes;
      const isShareUsed = line.queue.length >= limits.maxWaiting / 2 || line.bytes + bytes > limits.maxWaitingBytes / 2;
      if (isFull || isShareUsed) return Promise.reject(DatabaseError.busy(line.queue.length));
      const { promise, resolve, reject } = Promise.withResolvers<AcceptedEvent>();
      const waiting = { event: identify(event), bytes, resolve, reject };
      line.queue.push(waiting);
      line.bytes += bytes;
      lines.set(holder, line);
      queued += 1;
      queuedBytes += bytes;
      schedule();
      return within(leftMs, promise, () => {
        remove(holder, waiting);
        throw DatabaseError.late(limits.deadlineMs);
      });
    },
  };
}

/** Approximate size of an event in memory and in the statement. */
function estimateBytes({ beforeValue, updatedValues, context }: TracedEvent): number {
  return 512 + (beforeValue?.length ?? 0) + (updatedValues?.length ?? 0) + (context?.length ?? 0);
}
