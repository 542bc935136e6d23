import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { type StackPlan, stackVariables } from './services.ts';

const fileIn = (home: string) => join(home, 'env');

/**
 * Writes the settings by which every other command works with this stack, as long as it runs. Only its owner can read
 * them. Returns how to remove the file.
 */
export async function writeEnvironmentFile(home: string, plan: StackPlan): Promise<() => Promise<void>> {
  const file = fileIn(home);
  const variables = { ...stackVariables(plan), AUDITBOX_URL: `http://127.0.0.1:${plan.apiPort}` };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}\n`);
  await rm(file, { force: true });
  await writeFile(file, lines.join(''), { mode: 0o600 });
  await chmod(file, 0o600);
  return () => rm(file, { force: true });
}

/** A file of variables has no escapes, so the value decides which quotes there are. */
function quote(value: string): string {
  const sign = ["'", '"', '`'].find((one) => !value.includes(one));
  if (sign === undefined) throw new Error(`${value} has each kind of quotes. Name another folder with --data.`);
  return `${sign}${value}${sign}`;
}

/** Where the api of the stack that runs in a folder answers; null before it does. */
export async function readAddress(home: string): Promise<string | null> {
  const text = await readFile(fileIn(home), 'utf8').catch(() => '');
  return parseEnv(text).AUDITBOX_URL ?? null;
}
