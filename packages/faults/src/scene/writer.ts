import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import type { Random } from '../random.ts';
import type { Fleet } from './fleet.ts';
import { masterKey } from './scene.ts';

/** What the caller knows about an event: a 2xx acknowledged it, or the outcome is unknown. */
type Outcome = 'acknowledged' | 'uncertain';

/** A sent event and its outcome. */
export interface Sent {
  readonly event: WireEvent;
  readonly outcome: Outcome;
}

/** Callers of the api that keep writing during faults and remember the outcomes. */
export interface Writer {
  /** All sent events by id. */
  readonly sent: ReadonlyMap<string, Sent>;
  /** The longest time without an acknowledged event. */
  readonly longestSilenceMs: number;
  /** Responses that a caller must never get. */
  readonly wrongResponses: readonly string[];
  /** Resolves when `more` further events are acknowledged, or the writer is stopped. */
  acknowledged(more: number): Promise<void>;
  stop(): Promise<void>;
}

/** Content of the events. */
interface Subject {
  readonly day: string;
  /** Largest size of an event's values. */
  readonly valueBytes?: number | undefined;
}

/** Callers abort a request after this time and send it again. */
const requestTimeoutMs = 5_000;
/** Longest pause between two writes. Leaves processor time to processes that start. */
const maxPauseMs = 250;
const retryMs = 40;

/**
 * Writes events of one day, singly and in batches, through any api of the fleet. Most unanswered events are sent again
 * with the same ids. Some are not sent again; it stays unknown whether they were stored. There is one caller per random
 * source.
 */
export function startWriter(apis: Fleet, { day, valueBytes = 300 }: Subject, randoms: readonly Random[]): Writer {
  const sent = new Map<string, Sent>();
  const wrongResponses: string[] = [];
  let stopped = false;
  let count = 0;
  let acknowledgedAt = performance.now();
  let longestSilenceMs = 0;

  async function write(random: Random): Promise<void> {
    while (!stopped) {
      const events = someEvents(random, day, valueBytes);
      for (const event of events) sent.set(event.id, { event, outcome: 'uncertain' });
      while (!(await post(random, events)) && !stopped && random.chance(80)) await sleep(retryMs);
      await sleep(random.between(0, maxPauseMs));
    }
  }

  async function post(random: Random, events: readonly WireEvent[]): Promise<boolean> {
    const response = await send(random, events).catch(() => null);
    if (response === null || response.status >= 500) return false;
    if (!response.ok) {
      wrongResponses.push(`${response.status} ${await response.text()}`);
      return true;
    }
    for (const event of events) sent.set(event.id, { event, outcome: 'acknowledged' });
    count += events.length;
    longestSilenceMs = Math.max(longestSilenceMs, performance.now() - acknowledgedAt);
    acknowledgedAt = performance.now();
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
    wrongResponses,
    get longestSilenceMs() {
      return Math.max(longestSilenceMs, stopped ? 0 : performance.now() - acknowledgedAt);
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

/** One to twelve events, with times across the day and at its limits. */
function someEvents(random: Random, day: string, valueBytes: number): WireEvent[] {
  const count = random.chance(60) ? 1 : random.between(2, 12);
  const hour = String(random.pick([0, 11, 11, 11, 12, 23])).padStart(2, '0');
  const minutes = random.pick(['00:00', '00:00.000001', '15:00', '46:50.123', '59:59.999999']);
  const value = 'x'.repeat(random.between(0, valueBytes));
  return Array.from({ length: count }, () =>
    anEvent({ id: randomUUID(), updated_at: `${day}T${hour}:${minutes}Z`, updated_values: { value } }),
  );
}
