import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadPlan, LoadResult } from './plan.ts';

const run = promisify(execFile);
const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** Runs a load generator, a process of its own, to its end. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const { stdout } = await run(process.execPath, [main, JSON.stringify(plan)]);
  return JSON.parse(stdout) as LoadResult;
}
