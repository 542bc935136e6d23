import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A kept-alive connection that sends one request at a time. */
export interface Connection {
  /** Resolves to the status once the whole response has arrived. */
  send(request: Buffer): Promise<number>;
  close(): void;
}

const headEnd = Buffer.from('\r\n\r\n');

/**
 * Uses bare sockets and prepared requests, because a client library would use more processor time than the measured
 * server. It understands only the responses of the measured servers: with Content-Length, not chunked.
 */
export async function openConnection(port: number): Promise<Connection> {
  const socket: Socket = connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  let received: Buffer[] = [];
  let size = 0;
  let expected = Number.POSITIVE_INFINITY;
  let status = 0;
  let response = Promise.withResolvers<number>();
  const fail = () => response.reject(new Error('The server closed the connection.'));
  socket.on('error', fail).on('close', fail);
  socket.on('data', (part) => {
    received.push(part);
    size += part.length;
    if (expected === Number.POSITIVE_INFINITY) readHead();
    if (size < expected) return;
    received = [];
    size = 0;
    expected = Number.POSITIVE_INFINITY;
    response.resolve(status);
  });

  function readHead(): void {
    const all = received.length === 1 ? (received[0] as Buffer) : Buffer.concat(received);
    received = [all];
    const end = all.indexOf(headEnd);
    if (end === -1) return;
    const head = all.toString('latin1', 0, end);
    status = Number(head.slice(9, 12));
    const length = /content-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) throw new Error(`The response has no Content-Length: ${head}`);
    expected = end + headEnd.length + Number(length);
  }

  return {
    send(request) {
      response = Promise.withResolvers();
      response.promise.catch(() => {});
      socket.write(request);
      return response.promise;
    },
    close() {
      socket.removeListener('close', fail);
      socket.destroy();
    },
  };
}
