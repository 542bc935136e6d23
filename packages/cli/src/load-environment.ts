import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { readSecretFiles } from '@auditbox/process/secret-files.ts';
import type { Subcommand } from './subcommands.ts';

/** Where the environment of a command comes from, in addition to the variables that were given to it. */
interface Places {
  /** The folder whose `.env` is read. */
  readonly folder: string;
  /** The folder of `npm start`'s data, with the file `env` while it runs. */
  readonly stackFolder: string;
}

/**
 * Adds the variables of `.env`, where the environment does not have them, and the secrets that are in files. Without a database in either, a running
 * `npm start` decides about the database and the store as a whole: parts of two systems must not be mixed. Returns a
 * sentence about that, or null. Throws when a file exists and cannot be read, and when a secret is not as it should be.
 */
export function loadEnvironment(
  environment: NodeJS.ProcessEnv,
  { name, unless }: Pick<Subcommand, 'name' | 'unless'>,
  { folder, stackFolder }: Places,
): string | null {
  for (const [variable, value] of Object.entries(readVariables(join(folder, '.env')) ?? {}))
    if (environment[otherForm(variable)] === undefined) environment[variable] ??= value;
  readSecretFiles(environment, { anyPassword: name === 'migrate' });
  if (unless === null || environment[unless]) return null;
  // The other way to say where the database is.
  if (unless === 'DATABASE_URL' && environment.DATABASE_CELLS) return null;
  const file = join(stackFolder, 'env');
  const stack = readVariables(file);
  if (stack === null) return null;
  Object.assign(environment, stack);
  return `${unless} is not set; using the Auditbox of npm start (${file}).`;
}

/** A value and the file that holds it are two forms of one setting: one in the environment wins over the other in `.env`. */
function otherForm(variable: string): string {
  return variable.endsWith('_FILE') ? variable.slice(0, -'_FILE'.length) : `${variable}_FILE`;
}

/** Null when there is no such file. */
function readVariables(file: string): NodeJS.Dict<string> | null {
  try {
    return parseEnv(readFileSync(file, 'utf8').replace(/^\ufeff/, ''));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new Error(`${file} cannot be read (${code}).`);
  }
}
