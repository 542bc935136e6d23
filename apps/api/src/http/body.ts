import express, { type Request, type RequestHandler } from 'express';
import { HttpProblem } from './problem.ts';

/** Content types that a route takes, by the media type without its parameters. */
export type MediaTypes = readonly string[];

/**
 * Reads the body into a buffer of at most `maxBytes`, unpacked if it is compressed, and refuses other content types.
 * Text is not decoded yet, since a lenient decoder would replace what it cannot read.
 */
export function takeBody(types: MediaTypes, maxBytes: number): RequestHandler[] {
  const checkType: RequestHandler = (request, _response, next) => {
    const contentType = request.headers['content-type'] ?? '';
    // Most callers send just this.
    if (contentType === types[0]) return next();
    const wrongType = !types.includes(mediaType(request));
    const wrongCharset = /;\s*charset=(?!"?utf-8"?\s*(;|$))/i.test(contentType);
    if (wrongType || wrongCharset) throw new HttpProblem(415, `Content-Type must be ${types.join(' or ')}, in UTF-8.`);
    next();
  };
  const unpack = express.raw({ type: () => true, limit: maxBytes });
  const readBody: RequestHandler = (request, response, next) => {
    if (request.headers['content-encoding'] === undefined) readPlain(request, maxBytes, next);
    else unpack(request, response, next);
  };
  return [checkType, readBody];
}

/**
 * What express.raw does for a body that is not compressed, in a third of the time. What is too large is refused at once
 * and read on to its end without being kept: a caller that still writes would see a broken connection, not the answer.
 */
function readPlain(request: Request, maxBytes: number, next: (error?: unknown) => void): void {
  if (Number(request.headers['content-length']) > maxBytes) {
    next(tooLarge(maxBytes));
    return;
  }
  let parts: Buffer[] = [];
  let size = 0;
  request.on('data', (part: Buffer) => {
    const isRefused = size > maxBytes;
    size += part.length;
    if (size <= maxBytes) parts.push(part);
    else if (!isRefused) {
      parts = [];
      next(tooLarge(maxBytes));
    }
  });
  // A caller that goes away before the end gets no answer, and nothing was done.
  request.once('end', () => {
    if (size > maxBytes) return;
    request.body = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    next();
  });
}

function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem(413, `The body is larger than ${maxBytes} bytes.`);
}

/** The media type of a request's body, in lower case. */
export function mediaType(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';', 1).join().trim().toLowerCase();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The body as text. Bytes that are not UTF-8 are a 400: replacing them would alter what was said. */
export function bodyText(request: Request): string {
  const body: unknown = request.body;
  if (!Buffer.isBuffer(body)) return '';
  try {
    return utf8.decode(body);
  } catch {
    throw new HttpProblem(400, 'The body is not UTF-8.');
  }
}

/** Runs a parser; a syntax error is a 400 with the parser's words about where. */
export function parseBody<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new HttpProblem(400, `The body is not JSON: ${error.message}.`);
  }
}
