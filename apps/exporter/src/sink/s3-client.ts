import { S3Client } from '@aws-sdk/client-s3';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { ExporterConfig } from '../config.ts';

/** The SDK's client as the settings want it. It tries each request once: retrying is the batch's business. */
export function createS3Client(config: ExporterConfig): S3Client {
  const region = config.S3_REGION ?? (config.S3_ENDPOINT === undefined ? undefined : 'us-east-1');
  const client = new S3Client({
    ...(region !== undefined && { region }),
    ...(config.S3_ENDPOINT !== undefined && { endpoint: config.S3_ENDPOINT }),
    ...(config.S3_ROLE_ARN !== undefined && {
      credentials: assumedRole(config.S3_ROLE_ARN, config.S3_ROLE_EXTERNAL_ID),
    }),
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
    maxAttempts: 1,
    // We send a SHA-256 of our own; the SDK's CRC32 on top is refused by older S3-compatible stores.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: Math.min(5_000, config.S3_REQUEST_TIMEOUT_MS),
      httpAgent: { maxSockets: config.EXPORT_CONCURRENCY + 2 },
      httpsAgent: { maxSockets: config.EXPORT_CONCURRENCY + 2 },
    },
  });
  // A portal or a proxy may answer 200 to everything, even with an ETag. No store sends a web page for success.
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { statusCode, headers } = result.response as { statusCode: number; headers: Record<string, string> };
      // Some stores call even an empty answer HTML.
      const isPage = headers['content-type']?.startsWith('text/html') && headers['content-length'] !== '0';
      if (statusCode >= 300 || !isPage) return result;
      throw Object.assign(new Error('The answer was a web page.'), { name: 'NoETag' });
    },
    { step: 'deserialize', name: 'refuseWebPages' },
  );
  return client;
}

function assumedRole(RoleArn: string, externalId: string | undefined) {
  const RoleSessionName = 'auditbox-exporter';
  return fromTemporaryCredentials({
    clientConfig: { requestHandler: { connectionTimeout: 5_000, requestTimeout: 10_000 } },
    params: { RoleArn, RoleSessionName, ...(externalId !== undefined && { ExternalId: externalId }) },
  });
}
