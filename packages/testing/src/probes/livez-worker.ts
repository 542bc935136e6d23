import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

/*
 * Runs on its own thread, so that the work of a test does not look like a silence of the api. Asks for /livez again and again,
 * and keeps the longest time without an answer, what it was made of, and the most memory of the process. Each second request
 * opens a connection, as those of many health checks have: a process may answer on those that it has and yet accept no more.
 */

const { url, pid } = workerData as { readonly url: string; readonly pid: number };
const kept = new Agent({ keepAlive: true, maxSockets: 1 });
const pauseMs = 5;

let longestMs = 0;
let longest = { apiRanMs: 0, apiWaitedMs: 0, ownWaitedMs: 0 };
let mostBytes = 0;
let answers = 0;
let isOver = false;

parentPort?.on('message', () => {
  isOver = true;
});

while (!isOver) {
  const before = { api: readSchedule(`/proc/${pid}/task/${pid}`), own: readSchedule('/proc/thread-self') };
  const startedAt = performance.now();
  await ask(answers % 2 === 0 ? false : kept);
  const tookMs = performance.now() - startedAt;
  if (tookMs > longestMs) {
    longestMs = tookMs;
    const [api, own] = [readSchedule(`/proc/${pid}/task/${pid}`), readSchedule('/proc/thread-self')];
    longest = {
      apiRanMs: api.ranMs - before.api.ranMs,
      apiWaitedMs: api.waitedMs - before.api.waitedMs,
      ownWaitedMs: own.waitedMs - before.own.waitedMs,
    };
  }
  mostBytes = Math.max(mostBytes, readResidentBytes());
  answers += 1;
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
}
parentPort?.postMessage({ longestMs, longest, mostBytes, answers });
parentPort?.close();
kept.destroy();

function ask(agent: Agent | false): Promise<void> {
  return new Promise((resolve) => {
    get(`${url}/livez`, { agent }, (response) => response.resume().once('end', resolve)).once('error', () => resolve());
  });
}

/** How long a thread ran, and how long it could have run and got no processor. 0 on a system without /proc. */
function readSchedule(folder: string): { readonly ranMs: number; readonly waitedMs: number } {
  try {
    const [ran = 0, waited = 0] = readFileSync(`${folder}/schedstat`, 'utf8').split(' ').map(Number);
    return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
  } catch {
    return { ranMs: 0, waitedMs: 0 };
  }
}

/** 0 on a system without /proc. */
function readResidentBytes(): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}
