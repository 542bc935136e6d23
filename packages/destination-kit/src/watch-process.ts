/* What a destination does to the process that runs it. */

/** A call that did not end. */
export class LateError extends Error {}

export async function inTime<T>(what: string, patienceMs: number, call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`${what} did not end within ${patienceMs} ms.`)), patienceMs);
  });
  return Promise.race([call, late]).finally(() => clearTimeout(timer));
}

let exit = process.exit;
let watched = 0;
let exits = 0;

/** Turns a call of `process.exit` into an error: with code 0 it would look as if all tests had passed. */
export async function withoutExit(run: () => Promise<void>): Promise<void> {
  const before = exits;
  watched += 1;
  if (watched === 1) {
    exit = process.exit;
    process.exit = refuseExit;
  }
  try {
    await run();
  } finally {
    watched -= 1;
    if (watched === 0) process.exit = exit;
  }
  if (exits > before) refuseExit();
}

function refuseExit(): never {
  exits += 1;
  throw new Error('The destination called process.exit.');
}

const everyMs = 10;

/** The longest time during a call in which nothing else ran. */
export async function longestTurnMs(call: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - everyMs);
    last = now;
  };
  const timer = setInterval(look, everyMs);
  try {
    await call();
  } finally {
    clearInterval(timer);
    look();
  }
  return longest;
}

const connections: ReadonlySet<string> = new Set(['TCPSocketWrap', 'TLSWrap', 'PipeWrap', 'UDPWrap', 'ProcessWrap']);

/** Connections and child processes that keep this process running. */
export function openHandles(): number {
  return process.getActiveResourcesInfo().filter((name) => connections.has(name)).length;
}
