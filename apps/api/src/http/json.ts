import type { ServerResponse } from 'node:http';

/** Sends JSON text in one write. Express's own `send` copies it into a buffer, looks up the type and writes twice. */
export function sendJson(
  response: ServerResponse,
  status: number,
  json: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(json),
    ...headers,
  });
  response.end(json);
}
