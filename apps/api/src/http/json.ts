import type { Response } from 'express';
import { compress } from './compress.ts';

/** Sends JSON text in one write. Express's own `send` copies it into a buffer, looks up the type and writes twice. */
export function sendJson(
  response: Response,
  status: number,
  json: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  compress(response, json, (body, encoding) => {
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      ...encoding,
      ...headers,
    });
    response.end(body);
  });
}
