import { gunzipSync } from 'node:zlib';
import type { ReceivedRequest, ReceiverAnswer } from './http-receiver.ts';

/* Doubles of receivers that are not available to a test. Each refuses what its documentation says that the real one refuses. */

/** A double. Its `answer` is for an HttpReceiver. */
export interface ReceiverDouble<Stored> {
  readonly answer: (request: ReceivedRequest) => ReceiverAnswer;
  /** What it has taken, in order. */
  readonly stored: readonly Stored[];
  /** What was wrong with requests that it refused, a sentence each. */
  readonly refusals: readonly string[];
  /** What the real one would have answered with success and not kept as it was sent, a sentence each. */
  readonly losses: readonly string[];
}

export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function answerJson(status: number, value: unknown): ReceiverAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

/** The value of a JSON text; undefined if it is not JSON. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The uncompressed body; null if it is not compressed as its header says, or in a way that receivers need not know. */
export function unpackBody({ headers, bytes }: ReceivedRequest): Buffer | null {
  switch (headers['content-encoding'] ?? 'identity') {
    case 'identity':
      return bytes;
    case 'gzip':
      try {
        return gunzipSync(bytes);
      } catch {
        return null;
      }
    default:
      return null;
  }
}

/** Without parameters such as `charset`. */
export function mediaType({ headers }: ReceivedRequest): string {
  return (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970 of a time in RFC 3339; null for anything else. */
export function readTime(value: unknown): number | null {
  if (typeof value !== 'string' || !rfc3339.test(value)) return null;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : at;
}
