import { median } from '../figures.ts';
import { names } from '../names.ts';
import { benchKey } from './auditbox.ts';
import type { BenchDatabase } from './rig.ts';

interface Event {
  readonly id: string;
  readonly updated_at: string;
  readonly changed_by: string;
  readonly changed_by_api_key: string;
  readonly action: string;
  readonly table_name: string;
  readonly object_id: string;
  readonly before_value: Record<string, unknown> | null;
  readonly updated_values: Record<string, unknown> | null;
}

interface Filter {
  readonly search: Record<string, string>;
  /** Whether an event of the response matches the filter. */
  readonly holds: (event: Event) => boolean;
}

const pageSize = 50;
const twoFilters = 'changed_by and action';
const samples = 500;

/** Makes each filter from an event that exists, so that it matches at least one. */
const filters: Readonly<Record<string, (event: Event) => Filter>> = {
  none: () => ({ search: {}, holds: () => true }),
  'changed_by, common': () => by('changed_by', 'user0@example.com'),
  changed_by: ({ changed_by }) => by('changed_by', changed_by),
  changed_by_api_key: ({ changed_by_api_key }) => by('changed_by_api_key', changed_by_api_key),
  'action, rare': () => by('action', 'blocked'),
  action: ({ action }) => by('action', action),
  table_name: ({ table_name }) => by('table_name', table_name),
  object_id: ({ object_id }) => by('object_id', object_id),
  'a day': ({ updated_at }) => {
    const day = updated_at.slice(0, 10);
    return { search: { start_date: day, end_date: day }, holds: (event) => event.updated_at.startsWith(day) };
  },
  object_team_id: (event) => {
    const team = String(event.updated_values?.team_id ?? 'team-0');
    return { search: { object_team_id: team }, holds: ({ updated_values }) => updated_values?.team_id === team };
  },
  object_key_hash: (event) => {
    const hash = String(event.updated_values?.token);
    return { search: { object_key_hash: hash }, holds: ({ updated_values }) => updated_values?.token === hash };
  },
  search: ({ object_id }) => ({ search: { search: object_id }, holds: (event) => event.object_id === object_id }),
  'two actions': () => ({
    search: { action: 'blocked,unblocked' },
    holds: ({ action }) => action === 'blocked' || action === 'unblocked',
  }),
  [twoFilters]: ({ changed_by, action }) => ({
    search: { changed_by, action },
    holds: (event) => event.changed_by === changed_by && event.action === action,
  }),
};

function by(name: 'changed_by' | 'changed_by_api_key' | 'action' | 'table_name' | 'object_id', value: string): Filter {
  return { search: { [name]: value }, holds: (event) => event[name] === value };
}

/** Sends a request to an api on this machine with the key of the benchmark. Throws for an answer that is not a 2xx. */
export type Request = (path: string) => Promise<Response>;

export function requestsTo({ port }: { readonly port: number }): Request {
  return async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `Bearer ${benchKey}` },
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
}

const modes = { 'by cursor': { cursor: '' }, 'with total': {} } as const;
export type PageMode = keyof typeof modes;

/** Times of a page by each filter, `reads` times each, and of the slowest filter. */
export async function measurePages(
  db: BenchDatabase,
  request: Request,
  { reads, modes: wanted }: { reads: number; modes: readonly PageMode[] },
): Promise<Record<string, number>> {
  const known = await someEvents(db);
  const figures: Record<string, number> = {};
  for (const mode of wanted) {
    const extra = modes[mode];
    const slowest: number[] = [];
    for (const [name, makeFilter] of Object.entries(filters)) {
      const times: number[] = [];
      for (let turn = 0; turn < reads + 5; turn += 1) {
        const { search, holds } = makeFilter(known[(turn * 31) % known.length] as Event);
        const startedAt = performance.now();
        const page = (await (
          await request(`/audit?${new URLSearchParams({ ...search, ...extra, page_size: String(pageSize) })}`)
        ).json()) as {
          audit_logs: Event[];
        };
        // The first five reads warm up.
        if (turn >= 5) times.push(performance.now() - startedAt);
        if (page.audit_logs.length === 0 || !page.audit_logs.every(holds))
          throw new Error(`The filter "${name}" returned no event, or an event that does not match.`);
      }
      const slow = p95(times);
      // Not a single filter; it has its own target.
      if (name !== twoFilters) slowest.push(slow);
      figures[`${name}, ${mode}: p50 ms`] = median(times);
      figures[`${name}, ${mode}: p95 ms`] = slow;
    }
    figures[mode === 'by cursor' ? names.slowestPage : names.slowestTotal] = Math.max(...slowest);
  }
  return figures;
}

/** Follows the cursor from the newest event. Returns the 95th percentile of the pages' times. */
export async function walkPages(request: Request, pages: number): Promise<number> {
  const times: number[] = [];
  let cursor = '';
  for (let page = 0; page < pages; page += 1) {
    const startedAt = performance.now();
    const response = await request(`/audit?${new URLSearchParams({ cursor, page_size: '100' })}`);
    const { next_cursor } = (await response.json()) as { next_cursor: string | null };
    times.push(performance.now() - startedAt);
    if (next_cursor === null) break;
    cursor = next_cursor;
  }
  return p95(times);
}

function p95(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? Number.NaN;
}

async function someEvents({ sql }: BenchDatabase): Promise<Event[]> {
  const rows = await sql<Event[]>`
    select id, to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as updated_at, changed_by,
      changed_by_api_key, action, table_name, object_id, before_value, updated_values
    from auditbox.audit_log tablesample system (1) limit ${samples}`;
  if (rows.length > 0) return rows;
  return sql<Event[]>`select *, occurred_at::text as updated_at from auditbox.audit_log limit ${samples}`;
}
