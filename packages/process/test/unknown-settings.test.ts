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

test('a variable with a prefix that others use too is named if it is like a setting that is missing', () => {
  const given = {
    DATABASE_SCHMA: 'audit',
    DATABASE_URI: 'postgres://',
    HTTP_KEEP_ALIVE: '1',
    TLS_CERTFILE: 'c.pem',
    WEBHOOK_SECRETS: 'w',
    CELL_NAMES: 'ash',
  };
  expect(findUnknownSettings(given).map(({ name, nearest }) => [name, nearest])).toEqual([
    ['DATABASE_SCHMA', 'DATABASE_SCHEMA'],
    ['DATABASE_URI', 'DATABASE_URL'],
    ['HTTP_KEEP_ALIVE', 'HTTP_KEEP_ALIVE_MS'],
    ['TLS_CERTFILE', 'TLS_CERT_FILE'],
    ['WEBHOOK_SECRETS', 'WEBHOOK_SECRET'],
    ['CELL_NAMES', 'CELL_NAME'],
  ]);
  expect(findUnknownSettings({ DATABASE_URI: 'of a framework', DATABASE_URL: 'postgres://' })).toEqual([]);
});

test('settings of any process, variables of the composition, and the variables of others are no mistake', () => {
  const environment = {
    AUDIT_MASTER_KEY: 'k',
    ARCHIVE_MEMORY_MB: '512',
    S3_IMAGE: 'minio',
    DATABASE_PRIVATE_URL: 'of a platform',
    HTTP_PROXY: 'http://proxy',
    PATH: '/bin',
    DATABASE_NAME: 'app',
    DATABASE_HOST: 'db',
    DATABASE_PORT: '5432',
    DATABASE_USER: 'app',
    DATABASE_PASSWORD: 'p',
    DATABASE_PUBLIC_URL: 'of a platform',
    HTTP_PORT: '80',
    TLS_CA: 'ca.pem',
    WEBHOOK_ID: '1',
    CELL_ID: '1',
  };
  expect(findUnknownSettings(environment)).toEqual([]);
});
