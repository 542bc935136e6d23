import type { Writable } from 'node:stream';
import type { Response } from 'express';
import type { BytesInFlight } from './bytes-in-flight.ts';
import { gzipBytes, openAnswer } from './compress.ts';
import { sendHeldJson } from './json.ts';
import { awaitTurn } from './long-work.ts';

/** An answer of this size is sent as it grows; a smaller one at once. */
const partBytes = 1024 * 1024;
/** What a large answer holds of the memory: the part that the connection has not accepted yet, twice, and the part that grows. */
const heldBytes = 3 * partBytes + gzipBytes;

/** A JSON answer that is made of parts. */
export interface JsonAnswer {
  /** Counts what memory has of the answer before the first `add`. Throws a 429 if too many bytes are in flight. */
  reserve(bytes: number): void;
  /** Adds texts. Resolves to false when the caller has closed the connection. */
  add(...texts: readonly string[]): Promise<boolean>;
  /** Adds the last text and ends the answer. */
  end(text: string): Promise<void>;
}

/**
 * Nothing is sent before the first `add` or `end` resolves, so an error before it becomes a problem document. Large texts are
 * sent one by one: joining them takes ten times as long as sending them.
 */
export function createJsonAnswer(
  response: Response,
  bytesInFlight: BytesInFlight,
  headers: Readonly<Record<string, string>> = {},
): JsonAnswer {
  let waiting: string[] = [];
  let waitingLength = 0;
  let heldSoFar = 0;
  const holdUpTo = (bytes: number) => {
    if (bytes <= heldSoFar) return;
    bytesInFlight.hold(response, bytes - heldSoFar);
    heldSoFar = bytes;
  };
  /** Null until a part is sent. */
  let body: Writable | null = null;
  return {
    reserve: holdUpTo,
    async add(...texts) {
      waiting.push(...texts);
      waitingLength += texts.reduce((sum, { length }) => sum + length, 0);
      if (waitingLength < partBytes) return !response.destroyed;
      if (body === null) {
        holdUpTo(Math.max(heldBytes, waitingLength));
        body = openAnswer(response, { 'content-type': 'application/json; charset=utf-8', ...headers });
      }
      const parts = waiting;
      waiting = [];
      waitingLength = 0;
      await awaitTurn();
      return writeParts(response, body, parts);
    },
    async end(text) {
      waiting.push(text);
      if (body !== null) {
        body.end(waiting.join(''));
        return;
      }
      const json = waiting.join('');
      holdUpTo(json.length);
      sendHeldJson(response, 200, json, headers);
    },
  };
}

async function writeParts(response: Response, body: Writable, parts: readonly string[]): Promise<boolean> {
  if (response.destroyed) return false;
  const last = parts.map((part) => body.write(part)).at(-1);
  if (last === false) await awaitDrain(response, body);
  return !response.destroyed;
}

/**
 * Writes to the body of an answer. Resolves when the connection has accepted the part, to true; to false when the caller has
 * closed it. `onSent` is called when the part's memory is free again.
 */
export async function writePart(
  response: Response,
  body: Writable,
  part: string | Uint8Array,
  onSent: () => void = () => {},
): Promise<boolean> {
  if (response.destroyed) return false;
  const isRead = body.write(part, (error) => {
    if (!error) onSent();
  });
  if (!isRead) await awaitDrain(response, body);
  return !response.destroyed;
}

/** Also resolves when the caller closes the connection. Leaves no listener: an export of gigabytes waits here for each part. */
function awaitDrain(response: Response, body: Writable): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      body.off('drain', end);
      response.off('close', end);
      resolve();
    };
    body.on('drain', end);
    response.on('close', end);
  });
}
