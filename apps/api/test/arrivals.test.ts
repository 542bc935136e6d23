import { once } from 'node:events';
import { get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { awaitTurn, noteArrival } from '../src/http/long-work.ts';
import { type ApiServer, createServer } from '../src/http/server.ts';

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
