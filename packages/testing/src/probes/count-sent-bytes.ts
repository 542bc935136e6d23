import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** Counts what this process sends over connections that it opens from now on. The result returns the sum. */
export function countSentBytes(): () => number {
  const open = new Set<Socket>();
  let closedBytes = 0;
  subscribe('net.client.socket', (message) => {
    const { socket } = message as { readonly socket: Socket };
    open.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      closedBytes += socket.bytesWritten;
    });
  });
  return () => [...open].reduce((sum, { bytesWritten }) => sum + bytesWritten, closedBytes);
}
