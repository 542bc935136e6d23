/** A failed request as the SDK tells it. */
export interface SinkFault {
  readonly status: number | null;
  readonly code: string;
  readonly message: string;
}

/** Where requests go, for sentences. */
export interface SinkPlace {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string | undefined;
  readonly timeoutMs: number;
}

/** One sentence on what is wrong with credentials, bucket, region, key or network, naming the setting to look at. */
export function explainRefusal(fault: SinkFault, { bucket, prefix, endpoint, timeoutMs }: SinkPlace): string {
  const { status, code, message } = fault;
  const store = endpoint ?? 'S3';
  switch (code) {
    case 'NoSuchBucket':
      return `The bucket "${bucket}" does not exist at ${store} (S3_BUCKET).`;
    case 'InvalidAccessKeyId':
      return `${store} does not know the access key of the credentials found.`;
    case 'SignatureDoesNotMatch':
      return `${store} refuses the signature: the secret key is wrong, or something on the way changes requests.`;
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'TokenRefreshRequired':
      return 'The credentials have expired.';
    case 'CredentialsProviderError':
    case 'TokenProviderError':
    case 'ProviderError':
      return `No credentials were found or they could not be had: ${message}`;
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return `The bucket "${bucket}" is in another region (S3_REGION): ${message}`;
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ECONNRESET':
      return `${store} cannot be reached (${code}).`;
    case 'TimeoutError':
    case 'AbortError':
      return `${store} did not answer within ${timeoutMs} ms.`;
    case 'NoETag':
      return `${store} gave an answer that is no object store's; something else is in the way.`;
    case 'NotImplemented':
      return `${store} does not know a header that is needed: ${message}`;
  }
  if (code.startsWith('KMS.')) return `The KMS key cannot be used (${code}): ${message}`;
  if (status === 403)
    return `The credentials may not do this at s3://${bucket}/${prefix} (s3:PutObject, s3:GetObject, s3:ListBucket): ${message}`;
  if (status === null) return `No request could be sent to ${store} (${code}): ${message}`;
  return `${store} answered ${status} (${code}): ${message}`;
}
