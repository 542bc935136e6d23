import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import type { Fleet } from '../scene/fleet.ts';
import { masterKey, type Scene } from '../scene/scene.ts';
import type { Sent } from '../scene/writer.ts';
import type { ArchivedObject } from './archive.ts';

interface Seen {
  readonly fresh: readonly ArchivedObject[];
  readonly timesArchived: ReadonlyMap<string, number>;
  readonly sent: ReadonlyMap<string, Sent>;
  /** Whether outbox rows may be gone after their export. */
  readonly prunes: boolean;
}

interface Page {
  readonly audit_logs: readonly { readonly id: string }[];
  readonly total_pages: number;
}

/** Where `GET /audit` and `GET /audit/:id` say other things than callers were told or the bucket holds. */
export async function askApi(
  { apis }: Scene,
  day: string,
  { fresh, timesArchived, sent, prunes }: Seen,
): Promise<string[]> {
  const problems: string[] = [];
  const listed = new Set<string>();
  for (let page = 1, pages = 1; page <= pages; page += 1) {
    const answer = await get<Page>(apis, `?start_date=${day}&end_date=${day}&page_size=100&page=${page}`);
    for (const { id } of answer?.audit_logs ?? []) listed.add(id);
    pages = answer?.total_pages ?? 0;
  }
  for (const id of listed) if (!timesArchived.has(id)) problems.push(`GET /audit lists ${id}, which is in no object`);
  for (const { key, sha256, events } of fresh) {
    const [first] = events;
    if (!first) continue;
    for (const { id } of events) if (sent.has(id) && !listed.has(id)) problems.push(`GET /audit does not list ${id}`);
    const found = await get<{ export: Record<string, unknown> }>(apis, `/${first.id}`);
    const exported = found?.export ?? { state: 'unknown' };
    // A pruned outbox row takes the object's name along.
    const isPruned = prunes && exported.state === 'done' && exported.object_key === null;
    if (isPruned || (exported.state === 'done' && exported.object_key === key && exported.sha256 === sha256)) continue;
    problems.push(`GET /audit/${first.id} says ${JSON.stringify(exported)}, but ${key} holds it with ${sha256}`);
  }
  return problems;
}

/** Some api of the fleet may just be leaving, or have lost its connections: then another, or the same later. Null is a 404. */
async function get<T>({ members }: Fleet, path: string): Promise<T | null> {
  return eventually(async () => {
    const [api] = members;
    const url = `http://127.0.0.1:${await api?.port}/audit${path}`;
    const response = await fetch(url, { headers: { authorization: `Bearer ${masterKey}` } });
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`GET ${url} was answered with ${response.status}.`);
    return (await response.json()) as T;
  });
}
