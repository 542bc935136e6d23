import type { S3ServiceException } from '@aws-sdk/client-s3';
import { fromNodeProviderChain, fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { AssumedRole, S3Settings } from './s3-settings.ts';

type Provider = ReturnType<typeof fromTemporaryCredentials>;
type Identity = Awaited<ReturnType<Provider>>;

/** Credentials that are kept until they end, and found again when a store refuses them earlier or STS refuses their source. */
export interface Credentials {
  /** `memoized`: the SDK does not keep them a second time, which would be for ever where they have no end. */
  readonly provide: Provider & { readonly memoized: true };
  /** The store refused them. The next request reads environment, files and services again. */
  forget(): void;
  /**
   * The store may have refused them: many answers to a deleted key or a revoked session are those to a missing right. The next request reads
   * environment, files and services again, every `doubtMs` at most, and keeps the known ones where nothing is found.
   */
  doubt(): void;
}

const doubtMs = 2_000;

/** Before their end by this much, new ones are found. */
const earlyMs = 300_000;

/** A given access key, or the SDK's chain, or a role that is assumed with either. */
export function createCredentials({ accessKey, role }: Pick<S3Settings, 'accessKey' | 'role'>): Credentials {
  const makeBase = () => (accessKey === null ? findAnew() : useKey(accessKey));
  const makeSource = () => (role === null ? makeBase() : assumeRole(role, makeBase()));
  let source = makeSource();
  let known: Identity | null = null;
  let asking: Promise<Identity> | null = null;
  let isDoubted = false;
  let doubtedAt = Number.NEGATIVE_INFINITY;

  async function provide(properties: Parameters<Provider>[0]): Promise<Identity> {
    const kept = known !== null && !endsSoon(known) ? known : null;
    if (kept !== null && !isDoubted) return kept;
    isDoubted = false;
    asking ??= source(properties)
      .then((found) => {
        known = found;
        return found;
      })
      .catch((error) => {
        // STS may have refused keys of a file that are rotated by now, and its client keeps them for ever.
        source = makeSource();
        if (kept === null) throw error;
        return kept;
      })
      .finally(() => {
        asking = null;
      });
    return asking;
  }

  return {
    provide: Object.assign(provide, { memoized: true } as const),
    forget() {
      known = null;
      source = makeSource();
    },
    doubt() {
      if (performance.now() - doubtedAt < doubtMs) return;
      doubtedAt = performance.now();
      isDoubted = true;
      source = makeSource();
    },
  };
}

/** Codes of an answer that surely refuses the credentials, whatever was asked. */
const refusals = new Set([
  ...['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'InvalidToken'],
  ...['InvalidAccessKeyId', 'InvalidClientTokenId', 'SignatureDoesNotMatch'],
]);

/** Whether an error refuses the credentials, or may do so: Garage answers `AccessDenied` to an unknown key, and R2 `Unauthorized`. */
export function refusesCredentials(thrown: unknown): 'surely' | 'perhaps' | 'not' {
  if (!(thrown instanceof Error) || failedRole(thrown) !== null) return 'not';
  if (refusals.has(thrown.name)) return 'surely';
  const { $metadata } = thrown as Partial<S3ServiceException>;
  const status = $metadata?.httpStatusCode;
  return status === 401 || status === 403 ? 'perhaps' : 'not';
}

function useKey({ id, secret, sessionToken }: NonNullable<S3Settings['accessKey']>): Provider {
  return async () => ({ accessKeyId: id, secretAccessKey: secret, ...(sessionToken !== null && { sessionToken }) });
}

/** The SDK keeps files that it has read. */
function findAnew(): Provider {
  return fromNodeProviderChain({ ignoreCache: true });
}

function endsSoon({ expiration }: Identity): boolean {
  return expiration !== undefined && expiration.getTime() - Date.now() < earlyMs;
}

/** Credentials of a role, requested with those of `base`. */
function assumeRole({ arn, externalId, stsEndpoint }: AssumedRole, base: Provider): Provider {
  const provide = fromTemporaryCredentials({
    masterCredentials: base,
    // Connections and the region are those of the S3 client.
    clientConfig: { maxAttempts: 1, ...(stsEndpoint !== null && { endpoint: stsEndpoint }) },
    params: {
      RoleArn: arn,
      RoleSessionName: 'auditbox-exporter',
      ...(externalId !== null && { ExternalId: externalId }),
    },
  });
  return async (properties) => {
    try {
      return await provide(properties);
    } catch (error) {
      throw Object.assign(error as Error, { assuming: arn });
    }
  };
}

/** The role that could not be assumed, or null. STS and S3 share error codes, so the code alone does not show it. */
export function failedRole(error: unknown): string | null {
  return error instanceof Error && 'assuming' in error ? String(error.assuming) : null;
}

/** The SDK's marks on credentials, the most specific first: a role's credentials have the marks of their source too. */
const sources: readonly (readonly [mark: string, source: string])[] = [
  ['CREDENTIALS_ENV_VARS_STS_WEB_ID_TOKEN', 'web identity (AWS_WEB_IDENTITY_TOKEN_FILE)'],
  ['CREDENTIALS_PROFILE_STS_WEB_ID_TOKEN', 'web identity of a profile'],
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'web identity'],
  ['CREDENTIALS_PROFILE_SSO', "a profile's single sign-on"],
  ['CREDENTIALS_PROFILE_SSO_LEGACY', "a profile's single sign-on"],
  ['CREDENTIALS_PROFILE_PROCESS', "a profile's credential process"],
  ['CREDENTIALS_STS_ASSUME_ROLE', "a profile's role"],
  ['CREDENTIALS_PROFILE', 'a profile of the AWS configuration'],
  ['CREDENTIALS_SSO', 'single sign-on'],
  ['CREDENTIALS_PROCESS', 'a credential process'],
  ['CREDENTIALS_HTTP', "the container's role"],
  ['CREDENTIALS_IMDS', "the instance's role"],
  ['CREDENTIALS_ENV_VARS', 'the environment (AWS_ACCESS_KEY_ID)'],
];

/** Where credentials come from, in words, by the SDK's marks on them. */
export function describeSource(marks: Readonly<Record<string, unknown>>): string {
  return sources.find(([mark]) => mark in marks)?.[1] ?? 'the AWS SDK';
}
