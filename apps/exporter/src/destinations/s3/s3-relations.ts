import type { Relation } from '@auditbox/process/settings.ts';
import type { S3Config, s3Settings } from './s3-settings.ts';

type Name = keyof S3Config;

/** What the store's settings must be to each other. */
export const s3Relations: readonly Relation<typeof s3Settings>[] = [
  {
    between: ['S3_CONNECTION_TIMEOUT_MS', 'S3_REQUEST_TIMEOUT_MS'],
    problem: ({ S3_CONNECTION_TIMEOUT_MS: connectMs = 0, S3_REQUEST_TIMEOUT_MS: requestMs }) =>
      connectMs > requestMs
        ? `S3_CONNECTION_TIMEOUT_MS is ${connectMs}; it takes at most S3_REQUEST_TIMEOUT_MS (${requestMs}).`
        : null,
  },
  {
    between: ['S3_OBJECT_LOCK_MODE', 'S3_OBJECT_LOCK_DAYS'],
    problem: ({ S3_OBJECT_LOCK_MODE: mode, S3_OBJECT_LOCK_DAYS: days }) =>
      (mode === undefined) === (days === undefined)
        ? null
        : 'S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS go together; only one of them is set.',
  },
  {
    between: ['S3_OBJECT_LOCK_MODE', 'S3_CHECKSUM'],
    problem: ({ S3_OBJECT_LOCK_MODE: mode, S3_CHECKSUM: checksum }) =>
      mode !== undefined && checksum === 'none'
        ? 'S3_CHECKSUM is none; S3_OBJECT_LOCK_MODE takes sha256 or md5, since S3 locks no object without a checksum.'
        : null,
  },
  {
    between: ['S3_SSE', 'S3_SSE_KMS_KEY_ID'],
    problem: ({ S3_SSE: sse, S3_SSE_KMS_KEY_ID: key }) =>
      key !== undefined && sse !== 'aws:kms' ? 'S3_SSE_KMS_KEY_ID is set; it takes S3_SSE=aws:kms.' : null,
  },
  takes('S3_ROLE_EXTERNAL_ID', 'S3_ROLE_ARN'),
  takes('S3_STS_ENDPOINT', 'S3_ROLE_ARN'),
];

function takes(name: Name, other: Name): Relation<typeof s3Settings> {
  return {
    between: [name, other],
    problem: (values) =>
      values[name] !== undefined && values[other] === undefined ? `${name} is set; it takes ${other}.` : null,
  };
}
