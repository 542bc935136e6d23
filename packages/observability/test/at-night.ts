import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { expect } from 'vitest';
import { readAlerts } from './queries.ts';

/* What a person has at night who does not know the system: the alert's text, the runbook, and the commands that it names. */

const runbook = readFileSync(new URL('../../../docs/RUNBOOK.md', import.meta.url), 'utf8');
const program = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));

/** The text below a heading of the runbook. */
export function readChapter(heading: string): string {
  const chapter = runbook.split(/^##? /m).find((text) => text.startsWith(`${heading}\n`));
  expect(chapter, heading).toBeDefined();
  return chapter ?? '';
}

/** The chapter of the runbook that the address of an alert names. */
export function readChapterOf(alertName: string): string {
  const url = readAlerts().find(({ alert }) => alert === alertName)?.annotations.runbook_url ?? '';
  expect(url.split('#')[1], alertName).toBe(alertName.toLowerCase());
  return readChapter(alertName);
}

/** Runs a command of the runbook, as somebody types it. */
export async function type(
  command: string,
  env: Record<string, string>,
): Promise<{ code: number | NodeJS.Signals; output: string }> {
  const words = command.replace(/^npm run /, '').split(' ');
  const args = [program, ...words.filter((word) => word !== '--')];
  const app = spawnProgram(process.execPath, args, { env: { ...env, HOME: '/nowhere' } });
  return { code: await app.ended, output: app.output() };
}
