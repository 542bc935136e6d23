import { inspect } from 'node:util';
import type { Destination } from '@auditbox/destination-kit/destination.ts';
import type { ExporterLog } from '../../log.ts';
import type { ConfiguredDestination } from './configured-destination.ts';
import { guardDestination } from './guard-destination.ts';

/** Destinations whose options are wrong in a way that only they know. The message has one line for each. */
export class DestinationSetupError extends Error {
  override readonly name = 'DestinationSetupError';
  readonly code = 'BAD_DESTINATIONS';
}

/** Makes the destinations of a configuration. Throws a DestinationSetupError that names all that cannot be made. */
export async function createDestinations(
  configured: readonly ConfiguredDestination[],
  { log, env }: { readonly log: ExporterLog; readonly env: Readonly<Record<string, string | undefined>> },
): Promise<(readonly [ConfiguredDestination, Destination])[]> {
  const made = await Promise.allSettled(
    configured.map(async (one) => {
      const { name } = one;
      const tools = {
        name,
        env,
        log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) =>
          log.destinationLog({ destination: name, level, message }),
      };
      const destination = await one.create(tools);
      const problem = findProblem(destination);
      if (problem !== null) throw new Error(problem);
      return [one, guardDestination(destination, { copiesRows: one.type === 'module' })] as const;
    }),
  );
  const problems = made.flatMap((result, index) => {
    if (result.status === 'fulfilled') return [];
    return [`${configured[index]?.name}: ${explain(result.reason)}`];
  });
  if (problems.length > 0) throw new DestinationSetupError(['Wrong destinations:', ...problems].join('\n  '));
  return made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

function explain(reason: unknown): string {
  return reason instanceof Error ? reason.message : `It threw ${inspect(reason, { depth: 0 })}.`;
}

/** A module may be JavaScript, which no compiler checked. */
function findProblem(destination: Destination): string | null {
  for (const method of ['deliver', 'check', 'close'] as const)
    if (typeof destination?.[method] !== 'function') return `The destination has no function ${method}.`;
  for (const limit of ['maxRows', 'maxBytes', 'maxRowBytes'] as const) {
    const value = destination.limits?.[limit];
    if (!Number.isInteger(value) || value < 1) return `limits.${limit} must be a whole number of at least 1.`;
  }
  const { maxAgeMs, rowBytes } = destination.limits;
  if (maxAgeMs !== undefined && !(maxAgeMs > 0)) return 'limits.maxAgeMs must be a number above 0, or be left out.';
  if (rowBytes !== undefined && typeof rowBytes !== 'function')
    return 'limits.rowBytes must be a function, or be left out.';
  return null;
}
