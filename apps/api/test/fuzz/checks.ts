import { expect } from 'vitest';
import { getIds, getRaw, isExact, isRejected, isUnbounded, isUnindexed, ordered, printSearch } from './model.ts';
import type { Parameter } from './parameters.ts';
import type { ListedEvent } from './recorded-events.ts';
import { type RawAnswer, sendRaw } from './send-raw.ts';
import type { AnswerWatch } from './watch-answers.ts';

/** A place in a cursor, and the text that replaces it or is appended to it. */
export interface Place {
  readonly index: number;
  readonly text: string;
  readonly append: boolean;
}

/** Queries to an api that holds `events`. Each check fails when the answer differs from the model. */
export function createChecks(
  url: string,
  events: readonly ListedEvent[],
  statuses: Map<string, number>,
  watch: AnswerWatch,
) {
  const matching = (given: readonly Parameter[]) =>
    events.filter((event) => given.every(({ matches }) => matches(event)));

  async function send(path: string, headers?: Record<string, string>): Promise<RawAnswer> {
    const answer = await watch.time(sendRaw(url, path, headers));
    const kind = `${/^\/audit\/?(export|stats|objects)?/.exec(path)?.[0]} ${answer.status}`;
    statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
    expect(answer.status, answer.text).toBeLessThan(500);
    if (answer.status >= 400) {
      expect(answer.type).toBe('application/problem+json; charset=utf-8');
      expect(JSON.parse(answer.text)).toMatchObject({ status: answer.status, detail: expect.any(String) });
    }
    return answer;
  }

  /** Checks the status. Resolves to the JSON of the answer, or null if the query was rightly rejected. */
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape are looked into
  async function fetchJson(path: string, given: readonly Parameter[]): Promise<any> {
    const answer = await send(`${path}?${printSearch(given)}`);
    if (answer.status === 431) return null;
    const isWrong = isRejected(given) || (path === '/audit' && isUnbounded(given));
    expect(answer.status, answer.text).toBe(isWrong ? 400 : 200);
    const body = JSON.parse(answer.text);
    if (answer.status === 200) return body;
    expect(body.errors.length).toBeGreaterThan(0);
    return null;
  }

  function expectWithin(found: readonly { id: string }[], given: readonly Parameter[]): void {
    const allowed = new Set(getIds(matching(given)));
    expect(getIds(found).filter((id) => !allowed.has(id))).toEqual([]);
  }

  async function checkList(given: readonly Parameter[]): Promise<void> {
    const body = await fetchJson('/audit', given);
    if (body === null) return;
    expectWithin(body.audit_logs, given);
    const size = Number(getRaw(given, 'page_size') ?? 10);
    const number = Number(getRaw(given, 'page') ?? 1);
    expect(body).toMatchObject({ page: number, page_size: size });
    expect(body.total_pages).toBe(Math.ceil(body.total / size));
    // Without an index, the api counts one event more than the page shows.
    const isCounted = !given.some(isUnindexed);
    if (isCounted) expect(body.total_is_exact).toBe(true);
    if (!isExact(given)) return;
    const all = ordered(
      matching(given),
      getRaw(given, 'sort_by') ?? 'updated_at',
      getRaw(given, 'sort_order') ?? 'desc',
    );
    const most = isCounted ? Number.POSITIVE_INFINITY : number * size + 1;
    expect(body).toMatchObject({ total: Math.min(all.length, most), total_is_exact: all.length <= most });
    expect(body.audit_logs).toEqual(all.slice((number - 1) * size, number * size));
    expect(body.next_cursor === null).toBe(number * size >= all.length);
  }

  async function checkExport([given, accept]: readonly [readonly Parameter[], string]): Promise<void> {
    const { status, type, text } = await send(`/audit/export?${printSearch(given)}`, { accept });
    if (status === 431) return;
    const isUnacceptable = ['image/png', ',,;'].includes(accept) && getRaw(given, 'format') === undefined;
    expect(status, text).toBe(isRejected(given) ? 400 : isUnacceptable ? 406 : isUnbounded(given) ? 400 : 200);
    if (status !== 200) return;
    const isCsv = (getRaw(given, 'format') ?? (accept === 'text/csv' ? 'csv' : 'ndjson')) === 'csv';
    expect(type).toMatch(isCsv ? /^text\/csv/ : /^application\/x-ndjson/);
    if (isCsv) return;
    const found = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    expectWithin(found, given);
    const order = [getRaw(given, 'sort_by') ?? 'updated_at', getRaw(given, 'sort_order') ?? 'asc'] as const;
    if (isExact(given)) expect(found).toEqual(ordered(matching(given), ...order));
  }

  async function checkStats(given: readonly Parameter[]): Promise<void> {
    const { status, text } = await send(`/audit/stats?${printSearch(given)}`);
    if (status === 431) return;
    const body = JSON.parse(text);
    if (isRejected(given)) return expect(status).toBe(400);
    if (status === 400) return expect(body.errors).toMatchObject([{ path: 'start_date' }]);
    const inside = matching(given).filter(({ updated_at: at }) => {
      const time = Date.parse(at);
      return time >= Date.parse(body.start_date) && time <= Date.parse(body.end_date);
    });
    if (isExact(given)) expect(body.total).toBe(inside.length);
    else expect(body.total).toBeLessThanOrEqual(inside.length);
    expect(
      body.counts.every(
        ({ start, count }: { start: string; count: number }) => count > 0 && start.endsWith(':00:00.000000Z'),
      ),
    ).toBe(true);
  }

  async function checkHistory([table, object, given]: readonly [string, string, readonly Parameter[]]): Promise<void> {
    const { status, text } = await send(`/audit/objects/${table}/${object}?${printSearch(given)}`);
    if (status === 431) return;
    const names = [table, object].map((segment) => {
      try {
        return decodeURIComponent(segment);
      } catch {
        return '\0';
      }
    });
    if (table === '' || object === '') return expect(status).toBe(404);
    expect(status, text).toBe(names.join('').includes('\0') || isRejected(given) ? 400 : 200);
    if (status !== 200) return;
    const { audit_logs: steps } = JSON.parse(text);
    const size = Number(getRaw(given, 'page_size') ?? 10);
    const all = matching(given).filter((event) => event.table_name === names[0] && event.object_id === names[1]);
    const expected = ordered(all, 'updated_at', 'asc').slice(0, size);
    expect(steps).toEqual(expected.map((event) => ({ ...event, changes: expect.any(Array) })));
  }

  async function checkEvent(segment: string): Promise<void> {
    if (segment === '') return;
    const { status, text } = await send(`/audit/${segment}`);
    const known = events.find(({ id }) => id === segment.toLowerCase());
    if (known)
      expect(JSON.parse(text)).toEqual({ ...known, export: expect.any(Object), deliveries: expect.any(Array) });
    else expect([400, 404, 405, 431]).toContain(status);
  }

  /** Continues from a valid cursor, then from a cursor with another place, or with other filters. */
  async function checkCursor([given, place, other]: readonly [
    readonly Parameter[],
    Place,
    readonly Parameter[],
  ]): Promise<void> {
    const first = await fetchJson('/audit', given);
    if (!first?.next_cursor) return;
    const rest = await fetchJson('/audit', [...given, cursorParameter(first.next_cursor)]);
    expect(rest.audit_logs.filter((log: { id: string }) => getIds(first.audit_logs).includes(log.id))).toEqual([]);
    expectWithin(rest.audit_logs, given);
    const token = JSON.parse(Buffer.from(first.next_cursor, 'base64url').toString());
    token[2] = place.append ? [...token[2], place.text] : token[2].with(place.index % token[2].length, place.text);
    const altered = Buffer.from(JSON.stringify(token)).toString('base64url');
    const answer = await send(`/audit?${printSearch([...given, cursorParameter(altered)])}`);
    expect([200, 400, 431]).toContain(answer.status);
    if (answer.status === 200) expectWithin(JSON.parse(answer.text).audit_logs, given);
    const elsewhere = [
      ...given.filter(({ name }) => !name.startsWith('sort')),
      ...other,
      cursorParameter(first.next_cursor),
    ];
    const foreign = await send(`/audit?${printSearch(elsewhere)}`);
    if (foreign.status === 200) expectWithin(JSON.parse(foreign.text).audit_logs, elsewhere);
  }

  return { checkList, checkExport, checkStats, checkHistory, checkEvent, checkCursor };
}

const cursorParameter = (raw: string): Parameter => ({
  name: 'cursor',
  raw,
  isValid: true,
  isExact: true,
  matches: () => true,
});
