import { setTimeout as sleep } from 'node:timers/promises';
import { eventBodies } from '../workload/event-bodies.ts';
import { type Connection, openConnection } from './connection.ts';
import type { LoadPlan, LoadResult } from './run-load.ts';

/* The load generator. Its first argument is the plan as JSON. It prints its result as JSON and ends. */

const plan = JSON.parse(process.argv[2] ?? '') as LoadPlan;
const requests = buildRequests(plan);
const connections = await Promise.all(Array.from({ length: plan.connections }, () => openConnection(plan.port)));
const startedAt = performance.now();
const countFrom = startedAt + plan.warmUpMs;
const endAt = countFrom + plan.durationMs;
const times: number[] = [];
const refused: Record<string, number> = {};
let acknowledged = 0;
let counted = 0;
let sent = 0;

const cpuBefore = process.cpuUsage();
await (plan.requestsPerSecond === null ? asFastAsAnswered() : atSteadyRate(plan.requestsPerSecond));
const { user, system } = process.cpuUsage(cpuBefore);
for (const connection of connections) connection.close();
times.sort((a, b) => a - b);
const share = (part: number) => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0;
const result: LoadResult = {
  acknowledged,
  refused,
  eventsPerSecond: counted / (plan.durationMs / 1000),
  requestMs: { p50: share(0.5), p99: share(0.99) },
  ownCores: (user + system) / 1000 / (performance.now() - startedAt),
};
process.stdout.write(`${JSON.stringify(result)}\n`);

async function asFastAsAnswered(): Promise<void> {
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < endAt) await send(connection);
    }),
  );
}

/** A request is late when no connection is free, but it is never skipped: a slow server must not get fewer requests. */
async function atSteadyRate(perSecond: number): Promise<void> {
  await Promise.all(
    connections.map(async (connection, index) => {
      for (let turn = index; ; turn += connections.length) {
        const due = startedAt + (turn * 1000) / perSecond;
        if (due >= endAt) return;
        await sleep(due - performance.now());
        await send(connection);
      }
    }),
  );
}

async function send(connection: Connection): Promise<void> {
  const request = requests[sent % requests.length] as Buffer;
  sent += 1;
  const from = performance.now();
  const status = await connection.send(request);
  const to = performance.now();
  if (status < 200 || status > 299) {
    refused[status] = (refused[status] ?? 0) + 1;
    return;
  }
  acknowledged += plan.eventsPerRequest;
  if (from < countFrom || to > endAt) return;
  counted += plan.eventsPerRequest;
  times.push(to - from);
}

function buildRequests({ path, key, eventsPerRequest, port }: LoadPlan): Buffer[] {
  const distinct = 500;
  const bodies = eventBodies(distinct);
  return Array.from({ length: Math.max(20, Math.ceil(distinct / eventsPerRequest)) }, (_, index) => {
    const events = Array.from({ length: eventsPerRequest }, (_, n) => bodies[(index * 7 + n) % distinct]);
    const body = eventsPerRequest === 1 ? (events[0] as string) : `[${events.join()}]`;
    const head = [
      `POST ${path} HTTP/1.1`,
      `host: 127.0.0.1:${port}`,
      `authorization: Bearer ${key}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
    ];
    return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
  });
}
