import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where Debian's package libfaketime puts its library. */
const libraries = ['x86_64', 'aarch64'].map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`);

const fileName = 'clock';

/** Environment variables that make a server read its clock from a file in `folder`. Null if libfaketime is not installed. */
export function serverClockEnvironment(folder: string): Record<string, string> | null {
  const library = libraries.find((path) => existsSync(path));
  if (library === undefined) return null;
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: join(folder, fileName),
    FAKETIME_NO_CACHE: '1',
    // Time-outs do not jump on a machine whose clock is set.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

/** Sets the clock ahead by this number of seconds; back, if it is negative. */
export async function setServerClock(folder: string, aheadS: number): Promise<void> {
  const path = join(folder, fileName);
  await writeFile(`${path}.new`, `${aheadS < 0 ? '' : '+'}${aheadS}\n`);
  // A server that reads now gets one file or the other.
  await rename(`${path}.new`, path);
}
