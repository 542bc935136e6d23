import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { access, readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { basename, join } from 'node:path';
import { SpoolInUseError } from './spool-errors.ts';

/*
 * A process that has the folder listens on a socket in it. The kernel ends the socket with the process, so a killed process
 * leaves nothing that holds the folder, and a process id of another container is never taken for the owner.
 *
 * Each process makes a socket with a new name before it looks at the others. So of two processes that begin together at
 * least one sees the other, and the name of a dead process can be removed without a race: no other process uses it again.
 */

const prefix = 'lock-';
/** The name of a socket has at most 103 bytes on some systems. */
const longestPath = 100;

/** Reserves a folder for this process. Throws SpoolInUseError. */
export async function lockFolder(folder: string): Promise<{ release(): Promise<void> }> {
  const own = join(folder, `${prefix}${randomBytes(4).toString('hex')}`);
  if (Buffer.byteLength(own) > longestPath)
    throw new TypeError(`The path of the folder ${folder} is too long; it may have ${longestPath - 14} bytes.`);
  const server = createServer((socket) => socket.destroy());
  server.listen(own);
  await once(server, 'listening');
  server.unref();
  try {
    for (const name of await readdir(folder)) {
      if (!name.startsWith(prefix) || name === basename(own)) continue;
      if (await isHeld(join(folder, name))) throw inUse(folder);
      await rm(join(folder, name), { force: true });
    }
    // Another process may have removed the name in the moment before this process listened.
    await access(own).catch(() => Promise.reject(inUse(folder)));
  } catch (error) {
    await close(server);
    throw error;
  }
  return { release: () => close(server) };
}

function inUse(folder: string): SpoolInUseError {
  return new SpoolInUseError(`Another process uses the spool in ${folder}. Give each process its folder.`);
}

/** Whether a process listens. Only a refused connection shows that the process is dead. */
function isHeld(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}

/** Removes the name too. */
async function close(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}
