import { once } from 'node:events';
import { get } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { createHasher } from '@auditbox/db/events/content-hash.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import express from 'express';
import { afterEach, expect, test, vi } from 'vitest';
import { readBody } from '../src/http/body.ts';
import { type Caller, setCaller } from '../src/http/caller.ts';
import { awaitTurn, noteArrival, spread } from '../src/http/long-work.ts';
import { type ApiServer, createServer } from '../src/http/server.ts';
import type { ApiParts } from '../src/parts.ts';
import { sendParts } from '../src/read/send-export.ts';
import { postEvent } from '../src/write/post-event.ts';

/*
 * Node accepts one connection in each turn of the event loop. So the pieces of long work must wait for connections that arrive
 * together. The tests count pieces: a busy machine changes no count that matters.
 */

const limits = {
  headersMs: 60_000,
  requestMs: 60_000,
  keepAliveMs: 60_000,
  stallMs: 60_000,
  max: 10_000,
  maxPerAddress: 10_000,
};
const pieceMs = 10;

let isOver = false;
let pieces = 0;
let api: ApiServer | undefined;
afterEach(async () => {
  isOver = true;
  if (api === undefined) return;
  api.breakConnections();
  api.server.close();
  await once(api.server, 'close');
});

/** Works until the end of the test, as an export of a large record does. */
async function workForEver(): Promise<void> {
  isOver = false;
  pieces = 0;
  while (!isOver) {
    await awaitTurn();
    pieces += 1;
    const until = performance.now() + pieceMs;
    while (performance.now() < until);
  }
}

async function answer(port: number): Promise<void> {
  const [response] = await once(get({ port, agent: false }), 'response');
  await once(response.resume(), 'end');
}

test('hundreds of connections that arrive together are answered before half as many pieces of long work', async () => {
  const arriving = 300;
  api = createServer((_request, response) => response.end('ok'), limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const { port } = api.server.address() as AddressInfo;
  const work = workForEver();
  await answer(port);
  const before = pieces;
  await Promise.all(Array.from({ length: arriving }, () => answer(port)));
  expect(pieces - before).toBeLessThan(arriving / 2);
  isOver = true;
  await work;
});

test('connections that never end to arrive do not stop long work', async () => {
  const work = workForEver();
  const arrive = () => {
    noteArrival();
    if (!isOver) setImmediate(arrive);
  };
  arrive();
  await expect.poll(() => pieces).toBeGreaterThan(20);
  isOver = true;
  await work;
});

test('a connection with too many requests is broken before Node has made a request of each', async () => {
  isOver = true;
  api = createServer((_request, response) => response.end('ok'), limits, null);
  let requests = 0;
  api.server.on('request', () => {
    requests += 1;
  });
  api.server.listen(0);
  await once(api.server, 'listening');
  const socket = connect((api.server.address() as AddressInfo).port).on('error', () => {});
  socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10_000));
  await new Promise((resolve) => socket.once('close', resolve));
  expect(requests).toBeLessThan(50);
  await answer((api.server.address() as AddressInfo).port);
});

test('what is done for thousands of connections at once is done for a few milliseconds in each turn', async () => {
  let done = 0;
  const item = spread((ms: number) => {
    done += 1;
    for (const until = performance.now() + ms; performance.now() < until; );
  });
  for (let n = 0; n < 60; n += 1) item(1);
  expect(done).toBe(0);
  const perTurn: number[] = [];
  while (done < 60) {
    const before = done;
    await new Promise((resolve) => setImmediate(resolve));
    perTurn.push(done - before);
  }
  expect(Math.max(...perTurn)).toBeLessThanOrEqual(5);
  item(0);
  await expect.poll(() => done).toBe(61);
});

test('an error of one item does not stop what is done for the others', () => {
  vi.useFakeTimers({ toFake: ['setImmediate'] });
  try {
    const done: string[] = [];
    const item = spread((name: string) => {
      if (name === 'wrong') throw new Error('wrong');
      done.push(name);
    });
    for (const name of ['wrong', 'right', 'wrong']) item(name);
    expect(() => vi.runAllTimers()).toThrow('wrong');
    expect(() => vi.runAllTimers()).toThrow('wrong');
    item('later');
    vi.runAllTimers();
    expect(done).toEqual(['right', 'later']);
  } finally {
    vi.useRealTimers();
  }
});

test('each part of an export is a piece of long work: in each turn of the event loop there is one at most', async () => {
  const part = [Buffer.alloc(1_024)];
  let parts = 0;
  const source = {
    rows: 0,
    next: async () => {
      parts += 1;
      return isOver ? null : part;
    },
  };
  const form = { format: 'ndjson', hasClosingLine: false, hasBom: false, isContinued: false } as const;
  const app = express().get('/', (_request, response) =>
    sendParts(response, form, source, { hold: () => {}, getRecordBegin: async () => null }),
  );
  isOver = false;
  api = createServer(app, limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const request = get({ port: (api.server.address() as AddressInfo).port, agent: false });
  const [response] = await once(request, 'response');
  response.resume();
  await expect.poll(() => parts).toBeGreaterThan(10);
  const before = parts;
  for (let turns = 0; turns < 100; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(parts - before).toBeLessThanOrEqual(101);
  isOver = true;
  await once(response, 'end');
});

test('a large body is read in small parts, with a turn for others between them', async () => {
  const body = Buffer.alloc(4 * 1024 * 1024);
  const app = express();
  let inTurn = 0;
  let most = 0;
  app.use((request, _response, next) => {
    request.on('data', ({ length }: Buffer) => {
      if (inTurn === 0) setImmediate(() => (inTurn = 0));
      inTurn += length;
      most = Math.max(most, inTurn);
    });
    next();
  });
  const rules = { types: ['text/plain'], maxBytes: body.length };
  const bytesInFlight = { hold: () => {}, tryHold: () => true };
  app.post('/', ...readBody(rules, { bytesInFlight }), ({ body: read }, response) => {
    response.end(String(read.length));
  });
  api = createServer(app, limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const { port } = api.server.address() as AddressInfo;
  const posted = await fetch(`http://localhost:${port}/`, {
    method: 'POST',
    headers: { 'content-type': 'text/plain' },
    body,
  });
  expect(await posted.text()).toBe(String(body.length));
  expect(most).toBeLessThan(400_000);
});

test('of short events of a key with long bounds, one is compared with them in each turn of the event loop', async () => {
  const arriving = 40;
  let compared = 0;
  let inTurn = 0;
  let most = 0;
  const patterns = Array.from({ length: 100 }, () => `x${'*a'.repeat(120)}`);
  const actions = Object.assign([...patterns, 'updated'], {
    some(matches: (pattern: string) => boolean) {
      if (inTurn === 0) setImmediate(() => (inTurn = 0));
      compared += 1;
      inTurn += 1;
      most = Math.max(most, inTurn);
      return [...patterns, 'updated'].some(matches);
    },
  });
  const caller: Caller = {
    ...{ id: 'k', name: 'k', recordedBy: 'key:k', scopes: new Set(['audit:write']), tenant: allTenants },
    ...{ bounds: { action: actions }, expiresAtMs: null, isStillValid: async () => true },
  };
  const hasher = createHasher('0'.repeat(64));
  const parts = {
    settings: { actions: 'any', oldestEventDays: 400 },
    contentHasher: async () => hasher,
    redactor: null,
    metrics: { redacted() {} },
    keyLimits: { use() {} },
  };
  const body = JSON.stringify(anEvent({ action: 'updated' }));
  const held: (() => void)[] = [];
  const app = express();
  app.post('/audit', (request, response, next) => {
    setCaller(response, caller);
    request.body = Buffer.from(body);
    held.push(next);
    // All are read in one turn.
    if (held.length === arriving) for (const go of held) go();
  });
  app.post('/audit', postEvent.createHandler(parts as unknown as ApiParts));
  isOver = true;
  api = createServer(app, limits, null);
  api.server.listen(0);
  await once(api.server, 'listening');
  const url = `http://localhost:${(api.server.address() as AddressInfo).port}/audit?dry_run=true`;
  const posted = await Promise.all(Array.from({ length: arriving }, () => fetch(url, { method: 'POST' })));
  for (const one of posted) expect(one.status, await one.text()).toBe(200);
  expect(compared).toBe(arriving);
  // The end of a turn may be noticed behind the piece of the next turn.
  expect(most).toBeLessThanOrEqual(2);
});
