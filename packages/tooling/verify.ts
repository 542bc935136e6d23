import { exec } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

/*
 * `npm run verify`: runs all checks of the source and prints only those that fail. Each command can be run alone with
 * `npx` in the root folder. To add a check, add a line.
 */

const checks = [
  'biome check --error-on-warnings .',
  'tsc',
  'tsc --project apps/dashboard',
  'depcruise --config packages/tooling/dependency-cruiser.json --output-type err apps packages',
  'knip --config packages/tooling/knip.json --treat-config-hints-as-errors',
  'node packages/tooling/list-settings.ts --check',
  'node packages/tooling/list-errors.ts --check',
  'node packages/tooling/check-lock-file.ts',
  'node packages/tooling/banned-phrases.ts',
  'node packages/tooling/check-migrations.ts',
  'node packages/client/generate/api-types.ts --check',
  'node packages/tooling/check-page-size.ts',
];

const root = resolve(import.meta.dirname, '../..');
// With the types of the alternatives that the benchmark measures, where `npm run bench` has installed them.
if (existsSync(join(root, 'packages/bench/src/peers/node_modules'))) checks.push('tsc --project packages/bench');
const env = {
  ...process.env,
  PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
  ...(process.stdout.isTTY && { FORCE_COLOR: '1' }),
};

const waiting = [...checks];
await Promise.all(Array.from({ length: availableParallelism() }, runChecks));

async function runChecks(): Promise<void> {
  for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) {
    const { succeeded, output } = await run(command);
    if (succeeded) continue;
    process.exitCode = 1;
    process.stdout.write(`\nFailed: ${command}\n\n${output.trim()}\n`);
  }
}

function run(command: string): Promise<{ succeeded: boolean; output: string }> {
  return new Promise((done) => {
    exec(command, { cwd: root, env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      done({ succeeded: error === null, output: stdout + stderr }),
    );
  });
}
