import type { SinkFault } from './s3-fault.ts';

/** Where requests go, for sentences. */
export interface SinkPlace {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly timeoutMs: number;
  /** The account that the bucket must be of, if any is demanded. */
  readonly owner: string | undefined;
}

/**
 * One sentence on what is wrong with credentials, bucket, region, key or network, naming the setting to look at.
 * `permission` is the one that is missing, if any.
 */
export function explainRefusal(fault: SinkFault, place: SinkPlace, permission: string | null): string {
  const { status, code, message, role } = fault;
  const { bucket, prefix, owner, timeoutMs } = place;
  const store = role === null ? (place.endpoint ?? 'S3') : 'STS';
  switch (code) {
    case 'NoSuchBucket':
      return `The bucket "${bucket}" does not exist at ${store} (S3_BUCKET).`;
    case 'InvalidAccessKeyId':
    case 'InvalidClientTokenId':
      return `${store} does not know the access key of the credentials found.`;
    case 'SignatureDoesNotMatch':
      return `${store} refuses the signature: the secret key is wrong, or something on the way changes requests.`;
    case 'RequestTimeTooSkewed':
      return `This machine's clock is too far from that of ${store}: ${message}`;
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
      return 'The credentials have expired.';
    case 'InvalidIdentityToken':
    case 'IDPRejectedClaim':
      return `STS refuses the web identity (AWS_WEB_IDENTITY_TOKEN_FILE): ${message}`;
    case 'CredentialsProviderError':
    case 'TokenProviderError':
    case 'ProviderError':
      return `No credentials were found or they could not be had: ${message}`;
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return `The bucket "${bucket}" is in another region (S3_REGION): ${message}`;
    case 'NoETag':
      return `${store} gave an answer that is no object store's; something else is in the way.`;
    case 'NotImplemented':
      return `${store} does not know a header that is needed (S3_CHECKSUM, S3_SSE, S3_STORAGE_CLASS): ${message}`;
  }
  if (status === null) return explainBrokenLine(fault, store, timeoutMs);
  if (role !== null) return `The role ${role} could not be assumed (S3_ROLE_ARN; ${code}): ${message}`;
  if (code.startsWith('KMS.')) return `The KMS key cannot be used (${code}): ${message}`;
  if (permission?.startsWith('sts:')) return `No role could be assumed (${permission}): ${message}`;
  if (permission !== null) {
    const stranger = owner === undefined ? '' : `, or the bucket is not of account ${owner} (S3_EXPECTED_BUCKET_OWNER)`;
    return `The credentials may not do this at s3://${bucket}/${prefix} (${permission})${stranger}: ${message}`;
  }
  return `${store} answered ${status} (${code}): ${message}`;
}

function explainBrokenLine({ code, message }: SinkFault, store: string, timeoutMs: number): string {
  if (['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ECONNRESET'].includes(code))
    return `${store} cannot be reached: ${message} (${code}).`;
  if (['TimeoutError', 'AbortError', 'ETIMEDOUT'].includes(code))
    return `${store} did not answer within ${timeoutMs} ms.`;
  if (code === 'ERR_PROXY_TUNNEL') return `The proxy does not let requests through (HTTPS_PROXY): ${message}`;
  if (/CERT|SIGNATURE/.test(code))
    return `The certificate of ${store} is not trusted (S3_CA_FILE; ${code}): ${message}`;
  return `No request could be sent to ${store} (${code}): ${message}`;
}
