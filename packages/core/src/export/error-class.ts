/**
 * What to do about a destination's refusal.
 *
 * - `transient`: the same request may succeed later. Tried again for ever.
 * - `blocked`: the destination refuses everything until somebody mends it (credentials, bucket, KMS key). Kept, and
 *   probed now and then; no attempt counts.
 * - `permanent`: this very object can never be stored. The batch fails and waits for a person.
 */
export type ErrorClass = 'transient' | 'blocked' | 'permanent';

/** A refusal: the HTTP status, or null when no answer came, and the store's error code, or the fault's name. */
export interface Refusal {
  readonly status: number | null;
  readonly code: string;
}

/** Codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html about one object, not its bucket. */
const permanentCodes = new Set(['EntityTooLarge', 'KeyTooLongError', 'MetadataTooLarge']);

/** Client errors by their status, but passing ones: clock drift, a body damaged on its way, too many requests. */
const transientCodes = new Set([
  'BadDigest',
  'IncompleteBody',
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'XAmzContentSHA256Mismatch',
]);

/**
 * Faults on the way to an answer: errnos, Node's HTTP parser, time-outs, an answer that is no store's. Any other fault
 * without an answer was raised on this side, by a setting or by credentials, and is there again the next time.
 */
const networkFault = /^(E[A-Z_]+|HPE_\w+|\w*Timeout\w*|AbortError|NetworkingError|NoETag)$/;

/**
 * The class of a refusal. Unknown client errors (4xx) are `blocked`, not `permanent`: keeping a batch too long is
 * mended by a setting, giving one up wrongly is not.
 */
export function classifyRefusal({ status, code }: Refusal): ErrorClass {
  if (permanentCodes.has(code)) return 'permanent';
  if (transientCodes.has(code)) return 'transient';
  if (status === null) return networkFault.test(code) ? 'transient' : 'blocked';
  if (status === 501) return 'blocked';
  if (status >= 500 || status === 408 || status === 409 || status === 425 || status === 429) return 'transient';
  if (status >= 300) return 'blocked';
  return 'transient';
}
