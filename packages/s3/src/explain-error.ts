import { hideLogin } from '@auditbox/core/text/hide-login.ts';
import type { S3Error } from './s3-error.ts';
import type { S3Settings } from './s3-settings.ts';

type Place = Pick<
  S3Settings,
  | ('bucket' | 'prefix' | 'endpoint' | 'requestTimeoutMs' | 'expectedOwner')
  | ('checksum' | 'encryption' | 'storageClass' | 'objectLock')
>;

/**
 * One sentence on what is wrong with credentials, bucket, region, key or network. It names the setting to check.
 * `permission` is the missing one, if any.
 */
export function explainS3Error(error: S3Error, place: Place, permission: string | null): string {
  const { status, code, message, role } = error;
  const { bucket, prefix, expectedOwner } = place;
  const store = role === null ? hideLogin(place.endpoint ?? 'S3') : 'STS';
  switch (code) {
    case 'NoSuchBucket':
      return `The bucket "${bucket}" does not exist at ${store} (S3_BUCKET).`;
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
      return `${store} rejects the access key id: it does not exist there (AWS_ACCESS_KEY_ID, or the profile or role that gives it).`;
    case 'SignatureDoesNotMatch':
      return `${store} rejects the signature: the secret key is wrong (AWS_SECRET_ACCESS_KEY, or the profile that gives it), or a proxy changes requests.`;
    case 'RequestTimeTooSkewed':
      return `This machine's clock differs too much from the clock of ${store}: ${message}`;
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
      return 'The credentials have expired. Check what renews them. A token in the environment (AWS_SESSION_TOKEN) is never renewed.';
    case 'InvalidIdentityToken':
    case 'IDPRejectedClaim':
      return `STS rejects the web identity (AWS_WEB_IDENTITY_TOKEN_FILE): ${message}`;
    case 'CredentialsProviderError':
    case 'TokenProviderError':
    case 'ProviderError':
      return `No credentials were found, or they could not be loaded: ${message}`;
    case 'InvalidObjectState':
      return `It lies in an archive class, where ${store} does not read it. Restore it first: ${message}`;
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return `The bucket "${bucket}" is in another region (S3_REGION): ${message}`;
    case 'NoETag':
      return `The answer from ${store} did not come from an object store; a proxy or a login page may have sent it.`;
    case 'NotImplemented':
      return explainNotImplemented(error, store, place);
    case 'StuckListing':
    case 'UnsortedListing':
      return `The listing of ${store} cannot be used: ${message}`;
    case 'CutRead':
      return `${store}, or a proxy in front of it, ended its answer early: ${message}`;
    case 'EntityTooLarge':
      return explainTooLarge(store, message);
  }
  if (status === 412)
    return `${store} refuses to create an object that is not there (If-None-Match). Use another store, or a version that supports it. ${message}`;
  // An empty AWS_REGION, as a compose file makes it, is not a region either.
  if (message === 'Region is missing' || message.startsWith('Region not accepted: region=""'))
    return 'The region of the bucket is not known: set S3_REGION (or AWS_REGION).';
  if (message.startsWith('Region not accepted'))
    return `The region of the bucket is not valid: correct S3_REGION (or AWS_REGION). ${message}`;
  if (status === 413) return explainTooLarge(store, message);
  if (/object ?lock/i.test(message) && code === 'InvalidRequest')
    return `S3_OBJECT_LOCK_MODE is set, but the bucket "${bucket}" has no Object Lock: enable it there, or unset S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS. ${message}`;
  if (status === null) return explainNetworkError(error, store, place.requestTimeoutMs);
  if (role !== null) return `The role ${role} could not be assumed (S3_ROLE_ARN; ${code}): ${message}`;
  if (code.startsWith('KMS.')) return `The KMS key cannot be used (${code}): ${message}`;
  if (permission?.startsWith('sts:')) return `No role could be assumed (${permission}): ${message}`;
  if (permission !== null) {
    const orOwner =
      expectedOwner === null ? '' : `, or account ${expectedOwner} does not own the bucket (S3_EXPECTED_BUCKET_OWNER)`;
    return `The credentials lack a permission at s3://${bucket}/${prefix} (${permission})${orOwner}: ${message}`;
  }
  return `${store} answered ${status} (${code}): ${message}`;
}

function explainTooLarge(store: string, message: string): string {
  return `${store}, or a proxy in front of it, rejects objects of this size. Raise its limit and replay; lower EXPORT_BATCH_MAX_BYTES (or EXPORT_BATCH_MAX_ROWS), so that later objects are smaller: ${message}`;
}

/** Names the settings that ask for a header, and If-None-Match, for which there is no setting. */
function explainNotImplemented({ header, message }: S3Error, store: string, place: Place): string {
  const asked = [
    place.checksum === 'none' ? '' : 'S3_CHECKSUM',
    place.encryption === null ? '' : 'S3_SSE',
    place.storageClass === null ? '' : 'S3_STORAGE_CLASS',
    place.objectLock === null ? '' : 'S3_OBJECT_LOCK_MODE',
  ].filter(Boolean);
  const named = header ?? /if-none-match/i.exec(message)?.[0] ?? null;
  const noSetting =
    'If-None-Match, which keeps objects from being overwritten and cannot be switched off: use another store, or a version that supports it';
  if (named?.toLowerCase() === 'if-none-match' || asked.length === 0)
    return `${store} does not support ${noSetting}. ${message}`;
  if (named !== null) return `${store} does not support the header ${named} (${asked.join(', ')}): ${message}`;
  return `${store} does not support a header that is needed (${asked.join(', ')}), or ${noSetting}. ${message}`;
}

function explainNetworkError({ code, message }: S3Error, store: string, timeoutMs: number): string {
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNRESET'].includes(code))
    return `${store} cannot be reached: ${message} (${code}).`;
  if (['TimeoutError', 'AbortError', 'ETIMEDOUT'].includes(code))
    return `${store} did not answer within ${timeoutMs} ms.`;
  if (code === 'ERR_PROXY_TUNNEL') return `The proxy rejects the connection (HTTPS_PROXY): ${message}`;
  if (/CERT|SIGNATURE/.test(code))
    return `The certificate of ${store} is not trusted (S3_CA_FILE; ${code}): ${message}`;
  return `No request could be sent to ${store} (${code}): ${message}`;
}
