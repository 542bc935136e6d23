/**
 * Every `code` of a problem document, with its status and meaning. A code never changes its meaning; new ones may be added.
 * docs/errors.md is made from this table.
 */
export const errorCodes = {
  'bad-request': { status: 400, meaning: 'The request is unreadable, or parameters are wrong.', retry: false },
  unauthorized: {
    status: 401,
    meaning: 'The key or token is missing, unknown, not valid, expired or revoked.',
    retry: false,
  },
  forbidden: { status: 403, meaning: 'The key may not do this.', retry: false },
  'not-found': { status: 404, meaning: 'There is no such route or event.', retry: false },
  'method-not-allowed': {
    status: 405,
    meaning: 'The route does not have this method. `Allow` names those it has.',
    retry: false,
  },
  'not-acceptable': { status: 406, meaning: '`Accept` names no media type that the route has.', retry: false },
  'request-timeout': {
    status: 408,
    meaning: 'The request took longer to arrive than `HTTP_HEADERS_TIMEOUT_MS` or `HTTP_REQUEST_TIMEOUT_MS`.',
    retry: true,
  },
  conflict: { status: 409, meaning: 'The id or name is taken.', retry: false },
  'too-large': { status: 413, meaning: 'The body is too large, as it is or inflated.', retry: false },
  'unsupported-media-type': {
    status: 415,
    meaning: 'The route does not accept this content type, charset or encoding.',
    retry: false,
  },
  'expectation-failed': { status: 417, meaning: '`Expect` names something other than `100-continue`.', retry: false },
  'invalid-event': { status: 422, meaning: 'An event is not valid. Nothing was stored.', retry: false },
  'headers-too-large': { status: 431, meaning: 'The headers, or the URL, are too long or too many.', retry: false },
  'quota-exceeded': {
    status: 429,
    meaning: 'A limit for a time is used up. `RateLimit` names it, `Retry-After` says when to try again.',
    retry: true,
  },
  'too-many-bytes': {
    status: 429,
    meaning:
      'Bodies and answers in flight hold as much memory as they may. Read answers to their end, or send less at once.',
    retry: true,
  },
  'internal-error': {
    status: 500,
    meaning: 'An error of the api. The request stored nothing. The log has the cause.',
    retry: false,
  },
  'database-unavailable': { status: 503, meaning: 'The database cannot be reached, or cannot write now.', retry: true },
  'database-busy': {
    status: 503,
    meaning: 'Too many requests, or too many of this key, already wait for the database.',
    retry: true,
  },
  'database-timeout': {
    status: 503,
    meaning: 'The database did not answer in time. A read asked for too much: narrow it.',
    retry: true,
  },
  'database-misconfigured': {
    status: 503,
    meaning:
      'The schema, a month, the login, a right or a clock is wrong, or cells have different keys. An operator must change something; the log says what.',
    retry: true,
  },
  'issuer-unavailable': {
    status: 503,
    meaning: 'The keys of the issuer of tokens cannot be read, so this token cannot be checked.',
    retry: true,
  },
  'archive-not-configured': {
    status: 501,
    meaning: 'The api has no settings for the bucket (`S3_BUCKET`), so it does not read the archive.',
    retry: false,
  },
  'archive-damaged': {
    status: 500,
    meaning:
      'An object of the archive is missing, or does not have the lines that were archived. `detail` names it. Run `npm run verify-archive`.',
    retry: false,
  },
  'archive-refused': {
    status: 500,
    meaning:
      'The store does not hand out an object of the archive: it lies in an archive class, or the api may not read it. `detail` names it. Ask again after it was restored or permitted.',
    retry: false,
  },
  'archive-too-dense': {
    status: 422,
    meaning:
      'Too many objects of the archive have events of the same moment, so a history cannot be put in order. Use `npm run archive -- find`.',
    retry: false,
  },
  'archive-unavailable': { status: 503, meaning: 'The bucket of the archive cannot be read now.', retry: true },
  unavailable: { status: 503, meaning: 'The api cannot serve this request now.', retry: true },
} as const satisfies Record<string, { readonly status: number; readonly meaning: string; readonly retry: boolean }>;

export type ErrorCode = keyof typeof errorCodes;

/** The code of a problem that has no narrower one. */
export function defaultCode(status: number): ErrorCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not-found';
    case 405:
      return 'method-not-allowed';
    case 406:
      return 'not-acceptable';
    case 408:
      return 'request-timeout';
    case 409:
      return 'conflict';
    case 413:
      return 'too-large';
    case 415:
      return 'unsupported-media-type';
    case 417:
      return 'expectation-failed';
    case 422:
      return 'invalid-event';
    case 429:
      return 'quota-exceeded';
    case 431:
      return 'headers-too-large';
    case 503:
      return 'unavailable';
    default:
      return status >= 500 ? 'internal-error' : 'bad-request';
  }
}
