import { ArchiveError, FileRefusedError } from './archive.ts';
import { field } from './xml-field.ts';

/** An answer other than success. */
export interface Problem {
  readonly status: number;
  readonly body: string;
}

export function isMissing({ status, body }: Problem): boolean {
  return status === 404 && missingCodes.has(field(body, 'Code'));
}

/** Another 404 is of a proxy or of a wrong address, and says nothing about the object. */
const missingCodes = new Set(['NoSuchKey', 'NotFound', 'NoSuchVersion']);

/** Whether the same request may succeed later. */
export function isTransient({ status, body }: Problem): boolean {
  return status >= 500 || status === 408 || status === 429 || transientCodes.has(field(body, 'Code'));
}

const transientCodes = new Set([
  ...['InternalError', 'OperationAborted', 'RequestTimeout', 'ServiceUnavailable', 'SlowDown'],
  ...['Throttling', 'ThrottlingException', 'TooManyRequests'],
]);

/** Codes that refuse every request, whatever is asked for. */
const refusesAll = new Set([
  ...['AccountProblem', 'AllAccessDisabled', 'ExpiredToken', 'InvalidAccessKeyId', 'InvalidClientTokenId'],
  ...['InvalidToken', 'NoSuchBucket', 'NotSignedUp', 'SignatureDoesNotMatch', 'TokenRefreshRequired'],
  'InvalidSecurity',
]);
const otherRegion = new Set([
  ...['AuthorizationHeaderMalformed', 'PermanentRedirect', 'TemporaryRedirect', 'IllegalLocationConstraintException'],
]);

/** Whether the answer is the same for every request. */
export function isOfEveryRequest({ status, body }: Problem): boolean {
  const code = field(body, 'Code');
  return (
    refusesAll.has(code) || otherRegion.has(code) || code === 'RequestTimeTooSkewed' || (status >= 300 && status < 400)
  );
}

/** `isFile`: a file was asked for, and not a listing. */
export function explainProblem(
  { status, body }: Problem,
  { path, isFile, region }: { readonly path: string; readonly isFile: boolean; readonly region: string },
): ArchiveError {
  const code = field(body, 'Code') || 'no reason';
  const says = `The store answered ${status} (${code}) to ${path}.`;
  if (otherRegion.has(code) || (status >= 300 && status < 400)) {
    const other = field(body, 'Region') || field(body, 'Endpoint');
    return new ArchiveError(
      `The bucket is in another region${other === '' ? '' : ` (${other})`} than ${region}: set S3_REGION, and S3_ENDPOINT if it is set. ${says}`,
    );
  }
  if (code === 'RequestTimeTooSkewed')
    return new ArchiveError(`The clock of this machine differs too much from the clock of the store. ${says}`);
  if (code === 'InvalidObjectState')
    return new FileRefusedError(
      `It is archived (${field(body, 'StorageClass') || 'Glacier'}) and cannot be read. Restore it, and run this command again. ${says}`,
    );
  const isOfOneFile = isFile && (status === 400 || status === 403) && !refusesAll.has(code);
  return isOfOneFile
    ? new FileRefusedError(`The store refuses it. Check the permissions and the key that encrypts it. ${says}`)
    : new ArchiveError(says);
}
