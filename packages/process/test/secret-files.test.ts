import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSecretFiles, secretsInFiles } from '@auditbox/process/secret-files.ts';
import { expect, test } from 'vitest';
import { apiSettingTable } from '../../../apps/api/src/settings.ts';
import { exporterSettings } from '../../../apps/exporter/src/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
function fileWith(text: string): string {
  const path = join(folder, `secret-${text.length}`);
  writeFileSync(path, text);
  return path;
}

test('a secret comes from the file that NAME_FILE names, without the line break at its end', () => {
  const environment = { METRICS_TOKEN_FILE: fileWith(' a b \n'), PGPASSWORD: '', PGPASSWORD_FILE: fileWith('p\r\n') };
  readSecretFiles(environment);
  expect(environment).toEqual({ METRICS_TOKEN: ' a b ', PGPASSWORD: 'p' });
});

test('a byte order mark is no part of a secret, and a file in UTF-16 is refused', () => {
  const marked = { METRICS_TOKEN_FILE: fileWith('\ufeffa-token-for-prometheus\r\n') };
  readSecretFiles(marked);
  expect(marked).toEqual({ METRICS_TOKEN: 'a-token-for-prometheus' });
  const path = join(folder, 'utf-16');
  writeFileSync(path, Buffer.from('\ufeffhunter2', 'utf16le'));
  expect(() => readSecretFiles({ PGPASSWORD_FILE: path })).toThrow(
    `PGPASSWORD_FILE is "${path}"; the file is not a text in UTF-8.`,
  );
});

test('every setting that is secret can be in a file', () => {
  const tables = { ...apiSettingTable, ...exporterSettings };
  const secrets = Object.entries(tables).filter(([, { secret }]) => secret);
  expect(secrets.map(([name]) => name).filter((name) => !secretsInFiles.includes(name))).toEqual([]);
});

test('a file that is missing or empty, and a secret that is set twice, are named and not shown', () => {
  const missing = join(folder, 'missing');
  expect(() => readSecretFiles({ AUDIT_MASTER_KEY_FILE: missing })).toThrow(
    `AUDIT_MASTER_KEY_FILE is "${missing}"; the file cannot be read (ENOENT).`,
  );
  expect(() => readSecretFiles({ PGPASSWORD_FILE: fileWith('\n') })).toThrow(
    /PGPASSWORD_FILE is ".*"; the file is empty/,
  );
  expect(() => readSecretFiles({ PGPASSWORD: 'hunter2', PGPASSWORD_FILE: fileWith('x') })).toThrow(
    /^PGPASSWORD and PGPASSWORD_FILE are both set; set one of them.$/,
  );
});

test('passwords of logins are read only where they are asked for', () => {
  const environment = { APP_API_PASSWORD_FILE: fileWith('abc') };
  readSecretFiles(environment);
  expect(environment).toHaveProperty('APP_API_PASSWORD_FILE');
  readSecretFiles(environment, { anyPassword: true });
  expect(environment).toEqual({ APP_API_PASSWORD: 'abc' });
});
