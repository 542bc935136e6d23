import type { Socket } from 'node:net';

/**
 * Ends a connection in the middle of an answer so that its caller and every proxy notice: by a reset. An HTTP/1.0 answer has
 * no length, so a connection that is closed in the normal way would make half an answer look whole.
 */
export function breakConnection(socket: Socket | null): void {
  if (socket === null || socket.destroyed) return;
  try {
    socket.resetAndDestroy();
  } catch {
    // A TLS socket cannot reset. TLS has its own end of data, which is missing then.
    socket.destroy();
  }
}
