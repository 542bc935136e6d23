import { expect, test } from 'vitest';
import { readExporterSettings } from '../src/settings.ts';

const required = { DATABASE_URL: 'postgres://localhost/audit', S3_BUCKET: 'archive' };

test('settings that are not set leave the choice to the bucket and the AWS SDK, and keep every row', () => {
  const { s3, retention, tracesEndpoint } = readExporterSettings(required);
  expect(s3).toMatchObject({
    region: null,
    endpoint: null,
    role: null,
    proxy: null,
    encryption: null,
    storageClass: null,
    objectLock: null,
    expectedOwner: null,
    authorities: null,
  });
  expect(retention).toEqual({ days: null, schedule: null });
  expect(tracesEndpoint).toBeNull();
});

test('settings that belong together become one value', () => {
  const { s3, seal, send } = readExporterSettings({
    ...required,
    S3_OBJECT_LOCK_MODE: 'COMPLIANCE',
    S3_OBJECT_LOCK_DAYS: '30',
    S3_SSE: 'aws:kms',
    S3_SSE_KMS_KEY_ID: 'key-1',
    S3_ROLE_ARN: 'arn:aws:iam::1:role/r',
    S3_ROLE_EXTERNAL_ID: 'external',
    HTTPS_PROXY: 'http://proxy:3128',
    NO_PROXY: 'localhost',
    EXPORT_RETRY_CAP_MS: '1000',
    EXPORT_LINGER_MS: '0',
  });
  expect(s3.objectLock).toEqual({ mode: 'COMPLIANCE', days: 30 });
  expect(s3.encryption).toEqual({ kind: 'aws:kms', keyId: 'key-1' });
  expect(s3.role).toEqual({ arn: 'arn:aws:iam::1:role/r', externalId: 'external', stsEndpoint: null });
  expect(s3.proxy).toEqual({ url: 'http://proxy:3128', except: 'localhost' });
  expect(send.backoff.capMs).toBe(1000);
  expect(seal.lingerMs).toBe(0);
});

test('a store other than AWS gets a region to sign with, and a short request timeout shortens the connection timeout', () => {
  const { s3 } = readExporterSettings({
    ...required,
    S3_ENDPOINT: 'http://127.0.0.1:9000',
    S3_REQUEST_TIMEOUT_MS: '2000',
  });
  expect(s3.region).toBe('us-east-1');
  expect(s3.connectionTimeoutMs).toBe(2000);
});

test('settings cannot be changed, nested ones included', () => {
  const settings = readExporterSettings({ ...required, S3_OBJECT_LOCK_MODE: 'GOVERNANCE', S3_OBJECT_LOCK_DAYS: '1' });
  for (const part of [settings, settings.s3, settings.s3.objectLock, settings.send.backoff])
    expect(Object.isFrozen(part)).toBe(true);
});

test('a prefix that leaves a key no room for the folder of a tenant is refused', () => {
  const byTenant = { ...required, EXPORT_BY_TENANT: 'true' };
  expect(readExporterSettings({ ...byTenant, S3_PREFIX: 'a'.repeat(600) }).seal.byTenant).toBe(true);
  expect(() => readExporterSettings({ ...byTenant, S3_PREFIX: 'a'.repeat(601) })).toThrow(
    'S3_PREFIX has 601 characters; with EXPORT_BY_TENANT=true it may have 600',
  );
  expect(readExporterSettings({ ...required, S3_PREFIX: 'a'.repeat(601) }).seal.byTenant).toBe(false);
});

test('cells never write the same key, and each has its own log', () => {
  const cell = { ...required, S3_PREFIX: 'audit/', CELL_NAME: 'ash' };
  expect(readExporterSettings(cell)).toMatchObject({ cell: 'ash', s3: { prefix: 'audit/cell=ash/' } });
  expect(readExporterSettings(required)).toMatchObject({ cell: null, s3: { prefix: 'audit_logs/' } });
  expect(() => readExporterSettings({ ...cell, EXPORT_LOG_ORIGIN: 'example.com/audit' })).toThrow(
    'with CELL_NAME=ash it must end with /ash',
  );
});

test('the folder of a cell is no prefix for a cell, because no command would find its objects there', () => {
  const inFolder = { ...required, S3_PREFIX: 'audit/cell=ash/' };
  expect(() => readExporterSettings({ ...inFolder, CELL_NAME: 'ash' })).toThrow(
    'S3_PREFIX is audit/cell=ash/, the folder of a cell; with CELL_NAME=ash keys get the folder by themselves. Leave `cell=ash/` out.',
  );
  expect(readExporterSettings(inFolder).s3.prefix).toBe('audit/cell=ash/');
  expect(readExporterSettings({ ...required, S3_PREFIX: 'barcell=ash/', CELL_NAME: 'ash' }).cell).toBe('ash');
});
