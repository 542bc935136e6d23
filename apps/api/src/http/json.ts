import type { Response } from 'express';
import { holdAnswer } from './bytes-in-flight.ts';
import { compress } from './compress.ts';

type Headers = Readonly<Record<string, string>>;

/** Counts JSON text and sends it. Throws a 429 if too many bytes are in flight. */
export function sendJson(response: Response, status: number, json: string, headers: Headers = {}): void {
  holdAnswer(response, json.length);
  sendHeldJson(response, status, json, headers);
}

/** Sends JSON text in one write. Express's own `send` copies it into a buffer, looks up the type and writes twice. */
export function sendHeldJson(response: Response, status: number, json: string, headers: Headers): void {
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
