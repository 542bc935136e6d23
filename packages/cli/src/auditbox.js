#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/*
 * What `npx auditbox` runs, also from a folder that links this package. The Node in the PATH may be one that cannot run TypeScript. The
 * clone has one that can, and its scripts use it.
 */

if (process.features.typescript) await import('./main.ts');
else runWithNodeOfClone();

function runWithNodeOfClone() {
  const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));
  const args = [fileOf('main.ts'), ...process.argv.slice(2)];
  const child = spawn(fileOf('../../../node_modules/.bin/node'), args, { stdio: 'inherit' });
  // Ctrl-C reaches both. The command decides what it ends.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
  child.on('error', ({ code }) => {
    process.stderr.write(
      `Node ${process.versions.node} cannot run Auditbox, and the clone has no other (${code}). Run \`npm ci\` in the clone.\n`,
    );
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
