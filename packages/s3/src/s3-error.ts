import type { S3ServiceException } from '@aws-sdk/client-s3';
import { failedRole } from './s3-credentials.ts';

/** A failed request as the SDK reports it. */
export interface S3Error {
  /** Null when no answer arrived. */
  readonly status: number | null;
  readonly code: string;
  readonly message: string;
  /** The role that could not be assumed, if that is what failed. */
  readonly role: string | null;
  /** The header that the store does not support, where it names one. */
  readonly header: string | null;
}

/** An answer from a login page or a wrong proxy. */
export const noStoreError: S3Error = {
  status: null,
  code: 'NoETag',
  message: 'The answer did not come from an object store.',
  role: null,
  header: null,
};

/** A store that answers to every conditional PUT that the object exists. */
export const refusedConditionError: S3Error = {
  status: 412,
  code: 'PreconditionFailed',
  message: 'The object does not exist, and the store says that it does.',
  role: null,
  header: null,
};

/** A listing that says that it goes on, and gives the same page again. A program that followed it would never end. */
export const stuckListingError: S3Error = {
  status: null,
  code: 'StuckListing',
  message: 'The store says that its listing goes on, and gives the same page again.',
  role: null,
  header: null,
};

/** Callers go on behind the last name, so names in another order would be passed over. */
export const unsortedListingError: S3Error = {
  status: null,
  code: 'UnsortedListing',
  message:
    'The store lists keys in another order than S3, or keys that were not asked for, so it is not known whether it lists all of them.',
  role: null,
  header: null,
};

/** A listing that ended early, as if that were all of it. */
export const cutListingError: S3Error = {
  status: null,
  code: 'CutRead',
  message: 'A listing arrived without all of its keys.',
  role: null,
  header: null,
};

/** An answer that ended before the object did. */
export function cutReadError(received: number, length: number): S3Error {
  const message = `${received} of ${length} bytes arrived.`;
  return { status: null, code: 'CutRead', message, role: null, header: null };
}

export function toS3Error(thrown: unknown): S3Error {
  const { name, message, code, Header, $metadata } = thrown as Partial<S3ServiceException> & {
    code?: unknown;
    Header?: unknown;
  };
  const status = $metadata?.httpStatusCode ?? null;
  return {
    status,
    // The errno of a network error is more specific than its name, which is "Error".
    code: typeof code === 'string' && status === null ? code : (name ?? 'Unknown'),
    message: message ?? '',
    role: failedRole(thrown),
    header: typeof Header === 'string' ? Header : null,
  };
}

/** Codes with status 403 that no permission fixes. */
const otherForbiddenCodes = new Set([
  'AccountProblem',
  'AllAccessDisabled',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidObjectState',
  'InvalidToken',
  'NotSignedUp',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
]);

/**
 * The permission that a request lacked, or null when a permission is not the problem. AWS mostly names it; otherwise it
 * is `needed`, what the request needs.
 */
export function findMissingPermission({ status, code, message, role }: S3Error, needed: string): string | null {
  const named = /\b(?:s3|kms|sts):[A-Z]\w+/.exec(message)?.[0];
  if (code.startsWith('KMS.')) return named ?? 'kms:GenerateDataKey, kms:Decrypt';
  if (status !== 403 || otherForbiddenCodes.has(code)) return null;
  return named ?? (role === null ? needed : 'sts:AssumeRole');
}
