import { describeUnknownSetting, findUnknownSettings } from '@auditbox/process/unknown-settings.ts';
import { expect, test } from 'vitest';

test('a variable with one of our prefixes that no process reads is named, with the setting that was meant', () => {
  const found = findUnknownSettings({
    EXPORT_LINGER: '5',
    AUDIT_RETENTION_DAY: '1',
    S3_BUKET: 'b',
    AUDIT_FROBNICATION: '1',
    ARCHIVE_MEMORY: '1',
  });
  expect(found.map(describeUnknownSetting)).toEqual([
    'EXPORT_LINGER is not a setting and is ignored. Did you mean EXPORT_LINGER_MS?',
    'AUDIT_RETENTION_DAY is not a setting and is ignored. Did you mean AUDIT_RETENTION_DAYS?',
    'S3_BUKET is not a setting and is ignored. Did you mean S3_BUCKET?',
    'AUDIT_FROBNICATION is not a setting and is ignored.',
    'ARCHIVE_MEMORY is not a setting and is ignored. Did you mean ARCHIVE_MEMORY_MB?',
  ]);
});

test('settings of any process, variables of the composition, and the variables of others are no mistake', () => {
  const environment = {
    AUDIT_MASTER_KEY: 'k',
    ARCHIVE_MEMORY_MB: '512',
    S3_IMAGE: 'minio',
    DATABASE_PRIVATE_URL: 'of a platform',
    HTTP_PROXY: 'http://proxy',
    PATH: '/bin',
  };
  expect(findUnknownSettings(environment)).toEqual([]);
});
