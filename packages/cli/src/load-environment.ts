import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { quoteForShell } from '@auditbox/core/text/quote-for-shell.ts';
import { isAlive } from '@auditbox/process/is-alive.ts';
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
  const stack = isStopped(stackFolder) ? null : readVariables(file);
  if (stack === null) return unless === 'DATABASE_URL' ? describeStopped(stackFolder, environment) : null;
  Object.assign(environment, stack);
  return `Using the Auditbox of npm start (${file}). Set ${unless} to use another.`;
}

/** A killed `npm start` leaves its files behind. */
function isStopped(stackFolder: string): boolean {
  const pid = readText(join(stackFolder, 'pid'));
  return pid !== null && !isAlive(Number(pid));
}

/** Null where `npm start` never ran. */
function describeStopped(stackFolder: string, { AUDITBOX_DATA }: NodeJS.ProcessEnv): string | null {
  if (!existsSync(stackFolder)) return null;
  const start = AUDITBOX_DATA ? `npm start -- --data ${quoteForShell(AUDITBOX_DATA)}` : 'npm start';
  return `The Auditbox of ${stackFolder} does not run. Start it with \`${start}\`, or set DATABASE_URL to use another.`;
}

/** A value and the file that holds it are two forms of one setting: one in the environment wins over the other in `.env`. */
function otherForm(variable: string): string {
  return variable.endsWith('_FILE') ? variable.slice(0, -'_FILE'.length) : `${variable}_FILE`;
}

/** Null when there is no such file. */
function readVariables(file: string): NodeJS.Dict<string> | null {
  const text = readText(file);
  return text === null ? null : parseEnv(text.replace(/^\ufeff/, ''));
}

/** Null when there is no such file. */
function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new Error(`${file} cannot be read (${code}).`);
  }
}
