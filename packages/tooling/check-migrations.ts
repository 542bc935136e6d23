import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * A migration that is on main is never edited: a database that has it would not get the change, and `npm run migrate` stops
 * at its hash. Compares with the point where this branch left main; without git, or without main, there is nothing to check.
 */

const root = resolve(import.meta.dirname, '../..');

const base = ['origin/main', 'main'].map((branch) => git('merge-base', 'HEAD', branch)?.trim()).find(Boolean);
if (base !== undefined) {
  const files = git('ls-tree', '-r', '--name-only', base, 'drizzle/')?.split('\n') ?? [];
  // The history began anew with this migration; what was before it was never released.
  const isBegun = files.includes('drizzle/0005_seal.sql');
  const edited = isBegun ? files.filter((file) => file.endsWith('.sql') && isEdited(base, file)) : [];
  for (const file of edited) process.stdout.write(`${file} is on main. Put the change into a new migration.\n`);
  if (edited.length > 0) process.exitCode = 1;
}

// Migrations of the first version have no data to lock.
const lastOfFirstVersion = '0009_sessions.sql';
for (const file of readdirSync(join(root, 'drizzle')).sort()) {
  if (!file.endsWith('.sql') || file <= lastOfFirstVersion) continue;
  if (/^(--.*\n)*-- Locks: /.test(readFileSync(join(root, 'drizzle', file), 'utf8'))) continue;
  process.stdout.write(`drizzle/${file} must say what it locks: \`-- Locks: …\` in its head.\n`);
  process.exitCode = 1;
}

function isEdited(commit: string, file: string): boolean {
  try {
    return readFileSync(join(root, file), 'utf8') !== git('show', `${commit}:${file}`);
  } catch {
    return true;
  }
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}
