import { checkBucket, notAsked } from '../check/check-bucket.ts';
import { checkDatabaseState } from '../check/check-database.ts';
import { checkObjects } from '../check/check-objects.ts';
import { compareClocks } from '../check/compare-clocks.ts';
import type { Finding } from '../check/finding.ts';
import type { Exporter } from '../compose.ts';

/**
 * Tries all that exports take and tells what works, what does not and why. Leaves one small object in the bucket.
 * Resolves to an exit code: 0 when everything needed works, else 1.
 */
export async function check(exporter: Exporter, { json }: { json: boolean }, signal: AbortSignal): Promise<number> {
  const findings = await findAll(exporter, signal);
  const wanting = findings.filter(({ needed, state }) => needed && state !== 'works').length;
  const ok = wanting === 0;
  if (json) process.stdout.write(`${JSON.stringify({ ok, findings })}\n`);
  else process.stdout.write(`${findings.map(inWords).join('')}${conclusion(wanting)}\n`);
  return ok ? 0 : 1;
}

async function findAll(exporter: Exporter, signal: AbortSignal): Promise<Finding[]> {
  const database = await checkDatabaseState(exporter.db);
  const bucket = await checkBucket(exporter.inspector, exporter.config, signal);
  const storedAt = database.time ?? new Date().toISOString();
  const objects = bucket.goOn ? await checkObjects(exporter, storedAt, signal) : [notAsked('create')];
  return [...database.findings, ...bucket.findings, ...objects, compareClocks(database.aheadMs, bucket.aheadMs)];
}

const indent = ' '.repeat(15);

function inWords({ state, what, says, permission, advice, needed }: Finding): string {
  const lines = [`${state.padEnd(indent.length)}${what}: ${says}`];
  if (state !== 'works' && permission !== null) lines.push(`${indent}missing: ${permission}`);
  if (advice !== null) lines.push(`${indent}${advice}`);
  if (state === 'does not work' && !needed) lines.push(`${indent}Exports work without it.`);
  return `${lines.join('\n')}\n`;
}

function conclusion(wanting: number): string {
  return wanting === 0 ? 'All that is needed works.' : `${wanting} of what is needed cannot be relied on.`;
}
