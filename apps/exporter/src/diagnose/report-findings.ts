import type { Finding } from './finding.ts';

/** Prints findings, in words or as one JSON object. Gives an exit code: 0 when everything needed works, else 1. */
export function reportFindings(findings: readonly Finding[], { json }: { json: boolean }): number {
  const wanting = findings.filter(({ needed, state }) => needed && state !== 'works').length;
  const ok = wanting === 0;
  if (json) process.stdout.write(`${JSON.stringify({ ok, findings })}\n`);
  else process.stdout.write(`${findings.map(inWords).join('')}${conclusion(wanting)}\n`);
  return ok ? 0 : 1;
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
