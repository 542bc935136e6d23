import { readFileSync } from 'node:fs';

/** The variables whose value can be in a file, which NAME_FILE names. */
export const secretsInFiles: readonly string[] = [
  'DATABASE_URL',
  'DATABASE_READ_URL',
  'DATABASE_CELLS',
  'PGPASSWORD',
  'AUDIT_MASTER_KEY',
  'AUDIT_REDACT_KEY',
  'METRICS_TOKEN',
  'WEBHOOK_SECRET',
  'S3_ROLE_EXTERNAL_ID',
  'EXPORT_LOG_TSA_URL',
  'HTTPS_PROXY',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
];

/** For the passwords of `migrate --login`, which are named after the logins. */
const passwordFile = /^[A-Z0-9_]+_PASSWORD_FILE$/;

/**
 * Sets each variable whose value is in a file, and removes the name of the file, so that a child process finds one of the two.
 * One line break at the end of the file is not part of the value. Throws when a file cannot be read or is empty, and when the
 * variable is set too. `anyPassword` includes every `…_PASSWORD_FILE`.
 */
export function readSecretFiles(environment: NodeJS.ProcessEnv, { anyPassword = false } = {}): void {
  const others = anyPassword ? Object.keys(environment).filter((name) => passwordFile.test(name)) : [];
  for (const file of new Set([...secretsInFiles.map((name) => `${name}_FILE`), ...others])) {
    const path = environment[file];
    if (!path) continue;
    const name = file.slice(0, -'_FILE'.length);
    if (environment[name]) throw new Error(`${name} and ${file} are both set; set one of them.`);
    environment[name] = readSecret(file, path);
    delete environment[file];
  }
}

function readSecret(setting: string, path: string): string {
  let text: string;
  try {
    // Editors of Windows put a byte order mark in front.
    text = readFileSync(path, 'utf8')
      .replace(/^\ufeff/, '')
      .replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`${setting} is ${JSON.stringify(path)}; the file cannot be read (${code}).`, { cause: error });
  }
  if (text === '') throw new Error(`${setting} is ${JSON.stringify(path)}; the file is empty.`);
  // An environment variable would end at a NUL. A file in UTF-16 has one behind each letter.
  if (/[\0\ufffd]/.test(text))
    throw new Error(`${setting} is ${JSON.stringify(path)}; the file is not a text in UTF-8.`);
  return text;
}
