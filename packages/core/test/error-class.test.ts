import { expect, test } from 'vitest';
import { classifyDestinationError } from '../src/export/error-class.ts';

test.each([
  [500, 'InternalError', 'transient'],
  [503, 'SlowDown', 'transient'],
  [503, 'ServiceUnavailable', 'transient'],
  [429, 'TooManyRequests', 'transient'],
  [409, 'ConditionalRequestConflict', 'transient'],
  [400, 'RequestTimeout', 'transient'],
  [400, 'BadDigest', 'transient'],
  [403, 'RequestTimeTooSkewed', 'transient'],
  [null, 'ECONNREFUSED', 'transient'],
  [null, 'ENOTFOUND', 'transient'],
  [null, 'AbortError', 'transient'],
  [null, 'TimeoutError', 'transient'],
  [200, 'Unknown', 'transient'],
  [403, 'AccessDenied', 'blocked'],
  [403, 'InvalidAccessKeyId', 'blocked'],
  [403, 'SignatureDoesNotMatch', 'blocked'],
  [404, 'NoSuchBucket', 'blocked'],
  [400, 'ExpiredToken', 'blocked'],
  [400, 'KMS.DisabledException', 'blocked'],
  [301, 'PermanentRedirect', 'blocked'],
  [400, 'AuthorizationHeaderMalformed', 'blocked'],
  [400, 'SomethingNew', 'blocked'],
  [501, 'NotImplemented', 'blocked'],
  [null, 'CredentialsProviderError', 'blocked'],
  [null, 'Error', 'blocked'],
  [null, 'CERT_HAS_EXPIRED', 'blocked'],
  [null, 'HPE_INVALID_CONSTANT', 'transient'],
  [null, 'NoETag', 'transient'],
  [400, 'EntityTooLarge', 'permanent'],
  [413, 'Unknown', 'permanent'],
  [400, 'KeyTooLongError', 'permanent'],
  [400, 'MetadataTooLarge', 'permanent'],
] as const)('%s %s is %s', (status, code, errorClass) => {
  expect(classifyDestinationError({ status, code })).toBe(errorClass);
});
