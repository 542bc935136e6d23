import type { Writable } from 'node:stream';
import { createGzip, gzip } from 'node:zlib';
import type { Response } from 'express';
import type { RequestStep } from './request-step.ts';

/*
 * Answers to reads are compressed where the caller accepts gzip. The work is done by the threads of zlib and not by the event
 * loop. Answers to writes are small, and a writer waits for each.
 */

/** JSON becomes five times smaller. The default level needs three times as long, for a tenth less. */
const level = 1;
/** A smaller answer is sent in a packet or two as it is. */
const leastLength = 2_048;

/** What zlib holds of the memory for an answer that is sent as it grows. */
export const gzipBytes = 300 * 1024;

/** Notes whether the answer to a request may be compressed. */
export function offerGzip(isOn: boolean): RequestStep {
  return (request, response) => {
    if (!isOn || request.method !== 'GET') return;
    // Caches must not give a compressed answer to a caller that cannot read it.
    response.setHeader('vary', 'Accept-Encoding');
    // HTTP/1.0 has no length of an answer that grows: there only the size of the plain text would show its end.
    response.locals.isGzip = request.httpVersion !== '1.0' && acceptsGzip(request.headers['accept-encoding'] ?? '');
  };
}

function isCompressed(response: Response): boolean {
  return response.locals.isGzip === true;
}

/** Whether a header `Accept-Encoding` allows gzip (RFC 9110, 12.5.3). */
function acceptsGzip(header: string): boolean {
  let isAllowed = false;
  for (const part of header.split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    if (!['gzip', 'x-gzip', '*'].includes(coding)) continue;
    isAllowed = !parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
    // What is said of gzip itself counts more than what is said of all others.
    if (coding !== '*') break;
  }
  return isAllowed;
}

/** Begins an answer that is sent as it grows. What is written to the result is sent, and its end is the end of the answer. */
export function openAnswer(response: Response, headers: Readonly<Record<string, string>>): Writable {
  if (!isCompressed(response)) return response.writeHead(200, headers);
  response.writeHead(200, { ...headers, 'content-encoding': 'gzip' });
  const packed = createGzip({ level });
  packed.pipe(response);
  response.once('close', () => packed.destroy());
  return packed;
}

/** Calls back with what to send of a text: compressed where that is worth it, with the header that says so. */
export function compress(
  response: Response,
  text: string,
  send: (body: string | Buffer, headers: Readonly<Record<string, string>>) => void,
): void {
  if (text.length < leastLength || !isCompressed(response)) {
    send(text, {});
    return;
  }
  gzip(text, { level }, (error, packed) => {
    if (response.destroyed) return;
    if (error) send(text, {});
    else send(packed, { 'content-encoding': 'gzip' });
  });
}
