/**
 * What to do about an error of a destination.
 *
 * - `transient`: the same request may succeed later. It is retried for ever.
 * - `blocked`: the destination refuses every request until a person fixes credentials, bucket or KMS key. The batch is
 *   kept, the destination is probed from time to time, and the attempts are not counted.
 * - `permanent`: this object can never be stored. The batch fails and waits for a person.
 */
export type ErrorClass = 'transient' | 'blocked' | 'permanent';

/** How a request to a destination failed: the HTTP status (null without a response), and the store's error code or the error's name. */
export interface DestinationError {
  readonly status: number | null;
  readonly code: string;
}

/** Codes of https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html that concern one object, not its bucket. */
const permanentCodes = new Set(['EntityTooLarge', 'KeyTooLongError', 'MetadataTooLarge']);

/** Errors that go away on their own although many have a 4xx status: clock drift, a damaged body, too many requests. */
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
 * Network errors: errno names, Node's HTTP parser, time-outs, a response that no S3 store sends. Any other error without
 * a response was raised in this process, by a setting or by credentials, so a retry meets it again.
 */
const networkError = /^(E[A-Z_]+|HPE_\w+|\w*Timeout\w*|AbortError|NetworkingError|NoETag|CutRead)$/;

/**
 * Unknown client errors (4xx) are `blocked`, not `permanent`. A batch that is kept too long resumes after a change of
 * settings; a batch that is wrongly given up is lost to the archive until a person replays it.
 */
export function classifyDestinationError({ status, code }: DestinationError): ErrorClass {
  if (permanentCodes.has(code)) return 'permanent';
  if (transientCodes.has(code)) return 'transient';
  // A proxy's answer to one large body. Others are smaller.
  if (status === 413) return 'permanent';
  if (status === null) return networkError.test(code) ? 'transient' : 'blocked';
  if (status === 501) return 'blocked';
  if (status >= 500 || status === 408 || status === 409 || status === 425 || status === 429) return 'transient';
  if (status >= 300) return 'blocked';
  return 'transient';
}
