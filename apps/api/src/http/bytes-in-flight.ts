import type { Response } from 'express';
import type { FlightLimits } from './http-settings.ts';
import { HttpProblem } from './problem.ts';

/**
 * Counts the bytes of bodies and answers that this process holds: a body from its arrival, an answer until its caller has
 * taken it. So callers that do not read, or do not finish what they send, cannot use up its memory.
 */
export interface BytesInFlight {
  /**
   * Counts more bytes for a request, until its connection is done with it. Throws a 429 if too many are in flight for the
   * key, or for all keys. Then nothing of the request is counted any more. Otherwise several requests that each hold a part
   * would all be refused. A request that needs more than the limit counts as the limit: an event of that size, which only SQL can
   * write, is answered while nothing else is in flight.
   */
  hold(response: Response, bytes: number): void;
  /** The same for bytes that a request can do without: false, and not counted, if they would leave others less than half. */
  tryHold(response: Response, bytes: number): boolean;
}

interface Held {
  readonly holder: string;
  bytes: number;
}

/** `holderOf` returns the key of a request. */
export function createBytesInFlight(limits: FlightLimits, holderOf: (response: Response) => string): BytesInFlight {
  let total = 0;
  const byHolder = new Map<string, number>();

  function add(held: Held, bytes: number): void {
    held.bytes += bytes;
    total += bytes;
    const sum = (byHolder.get(held.holder) ?? 0) + bytes;
    if (sum > 0) byHolder.set(held.holder, sum);
    else byHolder.delete(held.holder);
  }

  function open(response: Response, holder: string): Held {
    const held: Held = { holder, bytes: 0 };
    response.locals.bytesInFlight = held;
    response.on('close', () => add(held, -held.bytes));
    return held;
  }

  function count(response: Response, bytes: number, holder: string): void {
    // A connection that has closed gives nothing back any more.
    if (response.destroyed) return;
    const held = response.locals.bytesInFlight as Held | undefined;
    add(held ?? open(response, holder), bytes);
  }

  function refuse(response: Response, whose: string, limit: number): never {
    const held = response.locals.bytesInFlight as Held | undefined;
    if (held) add(held, -held.bytes);
    throw tooMany(whose, limit);
  }

  return {
    hold(response, bytes) {
      const holder = holderOf(response);
      const already = (response.locals.bytesInFlight as Held | undefined)?.bytes ?? 0;
      const counted = Math.min(bytes, limits.bytesPerKey - already, limits.totalBytes - already);
      if (total + counted > limits.totalBytes) refuse(response, 'all requests', limits.totalBytes);
      if ((byHolder.get(holder) ?? 0) + counted > limits.bytesPerKey)
        refuse(response, 'the requests of this key', limits.bytesPerKey);
      count(response, counted, holder);
    },
    tryHold(response, bytes) {
      const holder = holderOf(response);
      const ofHolder = (byHolder.get(holder) ?? 0) + bytes;
      if (total + bytes > limits.totalBytes / 2 || ofHolder > limits.bytesPerKey / 2) return false;
      count(response, bytes, holder);
      return true;
    },
  };
}

function tooMany(whose: string, limit: number): HttpProblem {
  const detail = `Bodies and answers of ${whose} hold ${limit} bytes, the most that is allowed. Read answers to their end, or send less at once.`;
  return new HttpProblem(429, detail, {
    headers: { 'retry-after': '1' },
    rejectReason: 'overload',
    code: 'too-many-bytes',
  });
}
