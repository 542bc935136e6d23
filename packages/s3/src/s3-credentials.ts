import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { AssumedRole } from './s3-settings.ts';

/** Credentials of a role, requested with `own`, or with the credentials that the SDK finds. */
export function assumeRole(
  { arn, externalId, stsEndpoint }: AssumedRole,
  own: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string } | null,
): ReturnType<typeof fromTemporaryCredentials> {
  const provide = fromTemporaryCredentials({
    ...(own !== null && { masterCredentials: own }),
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
