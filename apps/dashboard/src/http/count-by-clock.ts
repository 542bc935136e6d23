import { clockZone } from '../time/zone.ts';
import { CallError, callJson } from './call.ts';

/**
 * Counts of `GET /audit/stats`, whose hours and days begin by the reader's clock. A zone that only the browser knows is a 400;
 * then they begin by UTC.
 */
export async function countByClock<T>(
  search: URLSearchParams,
  clock: 'utc' | 'local',
  signal: AbortSignal,
): Promise<T> {
  const load = (more: string) => callJson<T>(`/audit/stats?${search}${more}`, { signal });
  if (clock === 'utc') return load('');
  try {
    return await load(`&time_zone=${encodeURIComponent(clockZone)}`);
  } catch (error) {
    if (error instanceof CallError && error.errors.some(({ path }) => path === 'time_zone')) return load('');
    throw error;
  }
}
