import { S3Client } from '@aws-sdk/client-s3';
import type { ExporterConfig } from '../../settings.ts';
import { connectionsOf } from './s3-connections.ts';
import { assumedRole } from './s3-credentials.ts';

/** The SDK's client as the settings want it. It tries each request once: retrying is the batch's business. */
export function createS3Client(config: ExporterConfig): S3Client {
  const region = config.S3_REGION ?? (config.S3_ENDPOINT === undefined ? undefined : 'us-east-1');
  const credentials = assumedRole(config);
  const client = new S3Client({
    ...(region !== undefined && { region }),
    ...(config.S3_ENDPOINT !== undefined && { endpoint: config.S3_ENDPOINT }),
    ...(credentials !== null && { credentials }),
    forcePathStyle: config.S3_FORCE_PATH_STYLE,
    maxAttempts: 1,
    // We send a checksum of our own; the SDK's CRC32 on top is refused by older S3-compatible stores.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Our agents send the body at once, so that asking first would only be one more header to misunderstand.
    expectContinueHeader: false,
    requestHandler: connectionsOf(config),
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
