import type { Response } from 'express';
import type { BytesInFlight } from './bytes-in-flight.ts';
import { compress } from './compress.ts';
import type { RequestStep } from './request-step.ts';

type Headers = Readonly<Record<string, string>>;

/** Lets `sendJson` count the answers to reads. A writer's body is counted until the answer is taken, and is the larger one. */
export function countAnswers(bytesInFlight: BytesInFlight): RequestStep {
  return (request, response) => {
    if (request.method === 'GET') response.locals.answersInFlight = bytesInFlight;
  };
}

/** Counts JSON text and sends it. Throws a 429 if too many bytes are in flight. */
export function sendJson(response: Response, status: number, json: string, headers: Headers = {}): void {
  (response.locals.answersInFlight as BytesInFlight | undefined)?.hold(response, json.length);
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
