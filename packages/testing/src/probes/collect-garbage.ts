import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/*
 * Loaded before an app. V8 keeps garbage while the machine has memory, so that the memory of a process says little about what
 * the process needs. From a SIGWINCH to the next one, this collects garbage whenever the memory of V8 and of its buffers grew by
 * a few megabytes. Then it prints by how many bytes the memory exceeded its beginning at the most.
 */

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const stepBytes = 4 * 1024 * 1024;
let timer: NodeJS.Timeout | undefined;
let beganBytes = 0;
let keptBytes = 0;
let mostBytes = 0;
let reports = 0;

process.on('SIGWINCH', () => {
  if (timer === undefined) {
    beganBytes = keptBytes = mostBytes = collectNow();
    timer = setInterval(() => {
      if (usedBytes() - keptBytes < stepBytes) return;
      keptBytes = collectNow();
      mostBytes = Math.max(mostBytes, keptBytes);
    }, 1).unref();
  } else {
    clearInterval(timer);
    timer = undefined;
    reports += 1;
    const neededBytes = Math.max(mostBytes, usedBytes()) - beganBytes;
    const line = { level: 'info', event: 'memory', msg: 'The memory that was needed.', reports, neededBytes };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
});

function collectNow(): number {
  collect();
  return usedBytes();
}

/** Without `external`, which counts array buffers until V8 has swept them, some time after a collection. */
function usedBytes(): number {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
