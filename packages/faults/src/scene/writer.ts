import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Random } from '../random.ts';
import type { Fleet } from './fleet.ts';
import { masterKey } from './scene.ts';

/** What was said to a caller about an event: a 2xx, or nothing that settles it. */
type Said = 'acknowledged' | 'uncertain';

/** An event as it was sent, and what came back. */
export interface Sent {
  readonly event: WireEvent;
  readonly said: Said;
}

/** A caller of the api who keeps writing whatever happens, and remembers what was said. */
export interface Writer {
  /** By id of the event. */
  readonly sent: ReadonlyMap<string, Sent>;
  /** The longest time in which nothing was acknowledged. */
  readonly longestSilenceMs: number;
  /** Answers that a caller must never get. */
  readonly wrongAnswers: readonly string[];
  /** Resolves when that many more events were acknowledged, or it was stopped. */
  acknowledged(more: number): Promise<void>;
  stop(): Promise<void>;
}

/** What is written about. */
interface Subject {
  readonly day: string;
  /** The most that an event's values take. */
  readonly valueBytes?: number | undefined;
}

/** Callers give up on an answer after this long, and ask again. */
const requestTimeoutMs = 5_000;
/** Callers that write all the time, but leave the machine to the processes that start. */
const mostPauseMs = 250;
const retryMs = 40;

/**
 * Writes events of one day, single and in batches, through whichever api is there. Most of what was not answered is sent
 * again with the same ids; some is left as it is, for nobody knows whether it was stored. One caller for each source of
 * randomness.
 */
export function startWriter(apis: Fleet, { day, valueBytes = 300 }: Subject, randoms: readonly Random[]): Writer {
  const sent = new Map<string, Sent>();
  const wrongAnswers: string[] = [];
  let stopped = false;
  let count = 0;
  let heardAt = performance.now();
  let longestSilenceMs = 0;

  async function write(random: Random): Promise<void> {
    while (!stopped) {
      const events = someEvents(random, day, valueBytes);
      for (const event of events) sent.set(event.id, { event, said: 'uncertain' });
      while (!(await post(random, events)) && !stopped && random.chance(80)) await sleep(retryMs);
      await sleep(random.between(0, mostPauseMs));
    }
  }

  async function post(random: Random, events: readonly WireEvent[]): Promise<boolean> {
    const answer = await send(random, events).catch(() => null);
    if (answer === null || answer.status >= 500) return false;
    if (!answer.ok) {
      wrongAnswers.push(`${answer.status} ${await answer.text()}`);
      return true;
    }
    for (const event of events) sent.set(event.id, { event, said: 'acknowledged' });
    count += events.length;
    longestSilenceMs = Math.max(longestSilenceMs, performance.now() - heardAt);
    heardAt = performance.now();
    return true;
  }

  async function send(random: Random, events: readonly WireEvent[]): Promise<Response> {
    const api = random.pick([...apis.members]);
    const url = `http://127.0.0.1:${await api.port}/audit${events.length === 1 ? '' : '/batch'}`;
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(events.length === 1 ? events[0] : events),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    if (response.ok) await response.arrayBuffer();
    return response;
  }

  const writing = Promise.all(randoms.map(write));
  return {
    sent,
    wrongAnswers,
    get longestSilenceMs() {
      return Math.max(longestSilenceMs, stopped ? 0 : performance.now() - heardAt);
    },
    async acknowledged(more) {
      for (const from = count; count < from + more && !stopped; ) await sleep(10);
    },
    async stop() {
      stopped = true;
      await writing;
    },
  };
}

/** Mostly one or few, of hours all over the day, some at its very edges. */
function someEvents(random: Random, day: string, valueBytes: number): WireEvent[] {
  const count = random.chance(60) ? 1 : random.between(2, 12);
  const hour = String(random.pick([0, 11, 11, 11, 12, 23])).padStart(2, '0');
  const rest = random.pick(['00:00', '00:00.000001', '15:00', '46:50.123', '59:59.999999']);
  const value = 'x'.repeat(random.between(0, valueBytes));
  return Array.from({ length: count }, () =>
    anEvent({ id: randomUUID(), updated_at: `${day}T${hour}:${rest}Z`, updated_values: { value } }),
  );
}
