import { type AuditEvent, elementsOf, membersOf, readEvent } from '../events/event.ts';
import { call, callJson } from '../http/call.ts';
import { countByClock } from '../http/count-by-clock.ts';
import { exactly } from '../log/filters.ts';

/** What one actor did in the last 30 days. */
export interface Activity {
  readonly total: number;
  /** Events for each weekday (0 is Monday) and hour of the reader's clock. */
  readonly hours: readonly (readonly number[])[];
  readonly actions: readonly Share[];
  readonly tables: readonly Share[];
  readonly newest: readonly AuditEvent[];
  /** Addresses of the newest events, and how often. */
  readonly addresses: readonly Share[];
}

export interface Share {
  /** Null: everything outside of the groups that the api counts one by one. */
  readonly name: string | null;
  readonly events: number;
}

const days = 30;

interface Counts {
  readonly total: number;
  readonly counts: readonly { readonly start: string; readonly group: string | null; readonly count: number }[];
}

export async function loadActivity(actor: string, signal: AbortSignal): Promise<Activity> {
  const from = new Date(Date.now() - days * 86_400_000).toISOString();
  const search = new URLSearchParams({ changed_by: exactly(actor), start_date: from });
  const stats = (more: string) => callJson<Counts>(`/audit/stats?${search}&${more}`, { signal });
  const [{ counted: byHour }, byAction, byTable, list] = await Promise.all([
    countByClock<Counts>(new URLSearchParams([...search, ['interval', 'hour']]), 'local', signal),
    stats('interval=day&group_by=action'),
    stats('interval=day&group_by=table_name'),
    call(`/audit?changed_by=${encodeURIComponent(exactly(actor))}&cursor=&page_size=50`, { signal }),
  ]);
  const newest = elementsOf(membersOf(await list.text()).get('audit_logs') ?? '[]').map(readEvent);
  return {
    total: byHour.total,
    hours: sumByHour(byHour.counts),
    actions: sumByGroup(byAction.counts),
    tables: sumByGroup(byTable.counts),
    newest,
    addresses: listAddresses(newest),
  };
}

function sumByHour(counts: Counts['counts']): number[][] {
  const hours = Array.from({ length: 7 }, () => Array.from({ length: 24 }, () => 0));
  for (const { start, count } of counts) {
    const at = new Date(start);
    const day = hours[(at.getDay() + 6) % 7];
    if (day) day[at.getHours()] = (day[at.getHours()] ?? 0) + count;
  }
  return hours;
}

function sumByGroup(counts: Counts['counts']): Share[] {
  const sums = new Map<string | null, number>();
  for (const { group, count } of counts) sums.set(group, (sums.get(group) ?? 0) + count);
  return toShares(sums);
}

function listAddresses(events: readonly AuditEvent[]): Share[] {
  const sums = new Map<string, number>();
  for (const { context } of events) {
    const text = context === null ? undefined : membersOf(context).get('ip');
    if (!text?.startsWith('"')) continue;
    const ip = JSON.parse(text) as string;
    sums.set(ip, (sums.get(ip) ?? 0) + 1);
  }
  return toShares(sums);
}

/** The largest first. What is counted together is last, because it is many names. */
function toShares(sums: ReadonlyMap<string | null, number>): Share[] {
  return [...sums]
    .map(([name, events]) => ({ name, events }))
    .sort((a, b) => Number(a.name === null) - Number(b.name === null) || b.events - a.events);
}
