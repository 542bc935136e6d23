import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { S3Config } from './s3-settings.ts';

type Provider = ReturnType<typeof fromTemporaryCredentials>;

/** The role of a failed attempt to assume one, or null: STS's codes are those of S3 too. */
export function roleOf(error: unknown): string | null {
  return error instanceof Error && 'assuming' in error ? String(error.assuming) : null;
}

/** The role's credentials by S3_ROLE_ARN, had with those that the SDK finds; null leaves it at these. */
export function assumedRole(config: S3Config): Provider | null {
  const { S3_ROLE_ARN: RoleArn, S3_ROLE_EXTERNAL_ID: externalId, S3_STS_ENDPOINT: endpoint } = config;
  if (RoleArn === undefined) return null;
  const assume = fromTemporaryCredentials({
    // Connections and the region are the S3 client's.
    clientConfig: { maxAttempts: 1, ...(endpoint !== undefined && { endpoint }) },
    params: {
      RoleArn,
      RoleSessionName: 'auditbox-exporter',
      ...(externalId !== undefined && { ExternalId: externalId }),
    },
  });
  return async (properties) => {
    try {
      return await assume(properties);
    } catch (error) {
      throw Object.assign(error as Error, { assuming: RoleArn });
    }
  };
}
