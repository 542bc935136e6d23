import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import type { Fleet } from '../scene/fleet.ts';
import { masterKey, type Scene } from '../scene/scene.ts';
import type { Sent } from '../scene/writer.ts';
import type { ArchivedObject } from './archive.ts';

interface Seen {
  readonly fresh: readonly ArchivedObject[];
  readonly timesArchived: ReadonlyMap<string, number>;
  readonly sent: ReadonlyMap<string, Sent>;
}

interface Page {
  readonly audit_logs: readonly { readonly id: string }[];
  readonly total_pages: number;
}

/** Compares `GET /audit` and `GET /audit/:id` with the responses to the writer and with the bucket. Returns the differences. */
export async function checkReads(
  { apis }: Scene,
  day: string,
  { fresh, timesArchived, sent }: Seen,
): Promise<string[]> {
  const problems: string[] = [];
  const listed = new Set<string>();
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const list = await get<Page>(apis, `?start_date=${day}&end_date=${day}&page_size=100&page=${page}`);
    for (const { id } of list?.audit_logs ?? []) listed.add(id);
    pages = list?.total_pages ?? 0;
  }
  for (const id of listed) if (!timesArchived.has(id)) problems.push(`GET /audit lists ${id}, which is in no object`);
  for (const { key, sha256, events } of fresh) {
    const [first] = events;
    if (!first) continue;
    for (const { id, updated_at: at } of events)
      if (sent.has(id) && at.startsWith(day) && !listed.has(id)) problems.push(`GET /audit does not list ${id}`);
    const found = await get<{ export: Record<string, unknown> }>(apis, `/${first.id}`);
    const exported = found?.export ?? { state: 'unknown' };
    if (exported.state === 'done' && exported.object_key === key && exported.sha256 === sha256) continue;
    problems.push(
      `GET /audit/${first.id} returns ${JSON.stringify(exported)}, but ${key} holds the event with ${sha256}`,
    );
  }
  return problems;
}

/** Retries, because an api of the fleet may be stopping or may have lost its connections. Returns null for a 404. */
async function get<T>({ members }: Fleet, path: string): Promise<T | null> {
  return eventually(async () => {
    const [api] = members;
    const url = `http://127.0.0.1:${await api?.port}/audit${path}`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${masterKey}` } });
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`GET ${url} returned ${response.status}.`);
    return (await response.json()) as T;
  });
}
