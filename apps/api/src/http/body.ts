import type { Readable, Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  type Zlib,
} from 'node:zlib';
import type { Request, RequestHandler, Response } from 'express';
import type { ApiParts } from '../parts.ts';
import { createBodyParts } from './body-parts.ts';
import { breakConnection } from './break-connection.ts';
import { awaitTurn, shortText } from './long-work.ts';
import { HttpProblem } from './problem.ts';

/** The bodies that a route accepts. */
export interface BodyRules {
  /** Media types without their parameters. The first is the most common one. */
  readonly types: readonly string[];
  /** After decompression. */
  readonly maxBytes: number;
}

/**
 * Reads the body into a buffer, decompressed if necessary. The text is not decoded here: a lenient decoder would replace
 * invalid bytes without an error.
 */
export function readBody(rules: BodyRules, parts: Pick<ApiParts, 'bytesInFlight'>): RequestHandler[] {
  const { types } = rules;
  const checkType: RequestHandler = (request, _response, next) => {
    const contentType = request.headers['content-type'] ?? '';
    // Most callers send exactly this.
    if (contentType === types[0]) return next();
    const wrongType = !types.includes(mediaType(request));
    const wrongCharset = /;\s*charset=(?!"?utf-8"?\s*(;|$))/i.test(contentType);
    if (wrongType || wrongCharset) throw new HttpProblem(415, `Content-Type must be ${types.join(' or ')}, in UTF-8.`);
    next();
  };
  const read: RequestHandler = (request, response, next) => {
    collect(request, response, rules, parts).then((body) => {
      request.body = body;
      // The memory of a large body is worth waiting for the end of other long work.
      if (body.length > shortText) void awaitTurn().then(() => next());
      else next();
    }, next);
  };
  return [checkType, read];
}

/** This much is always inflated. Beyond it, a body that inflates more than 100-fold is an attack or a mistake. */
const freeInflatedBytes = 1024 * 1024;
const maxInflation = 100;

/** A chunk of one byte holds the process for as long as a kilobyte. Beyond these chunks, a body has larger ones on average. */
const freeChunks = 4_096;
const leastMeanChunk = 16;

/**
 * Rejects a body that is too large at once, but reads it to its end without keeping it: a caller that still writes would
 * otherwise see a broken connection instead of the answer. A caller that closes the connection before the end gets no
 * answer, and nothing is stored.
 */
function collect(
  request: Request,
  response: Response,
  { maxBytes }: BodyRules,
  { bytesInFlight }: Pick<ApiParts, 'bytesInFlight'>,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
  const inflater = encoding === 'identity' ? null : createInflater(encoding);
  let parts = createBodyParts();
  let size = 0;
  let received = 0;
  let chunks = 0;

  function give(error: unknown): void {
    parts = createBodyParts();
    reject(error);
    if (inflater === null) return;
    request.unpipe(inflater);
    inflater.destroy();
    request.resume();
  }

  function keep(part: Buffer): void {
    size += part.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    if (inflater !== null && size > Math.max(freeInflatedBytes, received * maxInflation))
      throw new HttpProblem(413, `The body inflates to more than ${maxInflation} times its size.`);
    bytesInFlight.hold(response, part.length);
    parts.add(part);
  }

  const body: Readable = inflater ?? request;
  let isRejected = false;
  request.on('data', (chunk: Buffer) => {
    received += chunk.length;
    chunks += 1;
    restAfter(chunk, request, inflater);
    if (isRejected || chunks <= freeChunks || received >= chunks * leastMeanChunk) return;
    isRejected = true;
    // Reading it to its end would hold the process.
    breakConnection(request.socket);
    give(new HttpProblem(400, `The body arrives in chunks of less than ${leastMeanChunk} bytes.`));
  });
  body.on('data', (part: Buffer) => {
    if (isRejected) return;
    try {
      keep(part);
    } catch (error) {
      isRejected = true;
      give(error);
    }
  });
  body.once('end', () => {
    if (isRejected) return;
    // An inflater ends where its format ends, and leaves what follows. Events there would be lost behind a 201.
    if (inflater !== null && inflater.bytesWritten < received) {
      isRejected = true;
      give(new HttpProblem(400, 'The request is unreadable: more data follows the end of the compressed body.'));
    } else resolve(parts.join());
  });
  if (Number(request.headers['content-length']) > maxBytes && !inflater) {
    isRejected = true;
    give(tooLarge(maxBytes));
  }
  if (inflater !== null) {
    inflater.once('error', (error) => {
      if (isRejected) return;
      isRejected = true;
      give(new HttpProblem(400, `The request is unreadable: ${error.message}.`));
    });
    response.once('close', () => inflater.destroy());
    request.pipe(inflater);
  }
  return promise;
}

/** Chunks that arrive in one turn are about this large where a body is large. */
const largeChunk = 16_384;

/**
 * Reads on in the next turn of the event loop. Node reads up to 2 MiB of each connection in a turn, and with sixty large bodies the
 * turn lasts for longer than others should wait.
 */
function restAfter(chunk: Buffer, request: Request, inflater: Inflater | null): void {
  if (chunk.length < largeChunk) return;
  request.pause();
  setImmediate(() => {
    // The pipe to an inflater that is full goes on by itself.
    if (inflater === null || inflater.destroyed || !inflater.writableNeedDrain) request.resume();
  });
}

type Inflater = Transform & Zlib;

const inflaters: Readonly<Record<string, () => Inflater>> = {
  gzip: createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
  // As RFC 9659 says. A frame may ask for a window of 2 GiB, of which a few bytes make the inflater allocate 128 MiB.
  zstd: () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 23 } }),
};

function createInflater(encoding: string): Inflater {
  const create = Object.hasOwn(inflaters, encoding) ? inflaters[encoding] : undefined;
  if (create) return create();
  throw new HttpProblem(415, `Content-Encoding must be one of ${Object.keys(inflaters).join(', ')}.`);
}

function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem(413, `The body is larger than ${maxBytes} bytes.`);
}

/** The media type of a request's body, in lower case, without parameters. */
export function mediaType(request: Request): string {
  return (request.headers['content-type'] ?? '').split(';', 1).join().trim().toLowerCase();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The body as text. Bytes that are not UTF-8 are a 400: replacing them would alter the event. */
export function bodyText(request: Request): string {
  const body: unknown = request.body;
  if (!Buffer.isBuffer(body)) return '';
  try {
    return utf8.decode(body);
  } catch {
    throw new HttpProblem(400, 'The body is not UTF-8.');
  }
}

/** Runs a parser. A syntax error becomes a 400 with the parser's message, which names the place. */
export function parseBody<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw toBodyProblem(error);
  }
}

/** V8 quotes the text around the place, which may be a secret: `Unexpected token 'h', ..."word": hunte"... is not valid JSON`. */
function withoutQuotation(message: string): string {
  const short = message.replace(/,? (?:\.\.\.)?".*"(?:\.\.\.)? is not valid JSON$/s, '');
  return short === '' ? 'It is a word' : short;
}

/** A 400 for a syntax error; any other error as it is. */
export function toBodyProblem(error: unknown): unknown {
  if (!(error instanceof SyntaxError)) return error;
  return new HttpProblem(400, `The body is not JSON: ${withoutQuotation(error.message)}.`);
}
