import { clockZone } from '../time/zone.ts';
import { CallError, callJson } from './call.ts';

/** Counts, and the clock by which their hours and days begin. */
interface CountedBy<T> {
  readonly counted: T;
  readonly clock: 'utc' | 'local';
}

/**
 * Counts of `GET /audit/stats`, whose hours and days begin by the given clock. A zone that only the browser knows is a 400;
 * then they begin by UTC.
 */
export async function countByClock<T>(
  search: URLSearchParams,
  clock: 'utc' | 'local',
  signal: AbortSignal,
): Promise<CountedBy<T>> {
  const load = (more: string) => callJson<T>(`/audit/stats?${search}${more}`, { signal });
  if (clock === 'local')
    try {
      return { counted: await load(`&time_zone=${encodeURIComponent(clockZone)}`), clock };
    } catch (error) {
      if (!(error instanceof CallError && error.errors.some(({ path }) => path === 'time_zone'))) throw error;
    }
  return { counted: await load(''), clock: 'utc' };
}
