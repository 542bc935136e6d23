import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** Rows of 6 kB each that are exported by an api whose memory they would not fit into. */
const manyRows = Number(process.env.EXPORT_ROWS ?? 20_000);
const heapMb = 64;
const maxResidentMb = 300;
/** Over an api that has just answered a small export. */
const maxGrowthMb = 45;

let api: ApiFixture;
const objects = Array.from({ length: 7 }, (_, n) => `object-${n}`);
const events = Array.from({ length: 250 }, (_, n) =>
  anEvent({
    table_name: 'few',
    updated_at: `2026-07-0${1 + (n % 5)}T11:00:00Z`,
    changed_by: [
      ...['ana', '=1+1', '+49 30', '-5', '@sum', 'a,"b"', 'ünï', ' =x', "'quoted", '\\.'],
      "it's \\' auditbox.x",
    ][n % 11] as string,
    changed_by_api_key: n % 2 === 0 ? '' : 'key',
    // Only an id may have control characters.
    object_id: [...objects, ' \t=x', '\u0001', '\u0002x\u0001\u0002', '\u0003', 'x\u0001\u0001'][n % 12] as string,
    before_value: n % 3 === 0 ? null : { text: 'lines\r\nand "quotes", commas', n },
    updated_values: [n, '=2', null, { deep: [{}] }][n % 4],
  }),
);

beforeAll(async () => {
  api = await createApiFixture({ NODE_OPTIONS: `--max-old-space-size=${heapMb}` });
  await api.db.store(events);
  // Plain SQL may bring line breaks between tokens, digits that no number holds, and what the api would refuse.
  await api.db.sql`
    insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, before_value, updated_values)
    select timestamptz '2026-07-04' + n * interval '1 second', 'plain', 'odd action', 'few', n::text,
      e'{\n  "a" :\r\n [1.10, 12345678901234567890]\n}', e'\r\n"\\\\n"\r'
    from generate_series(1, 20) n`;
  await api.db.sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`set local statement_timeout = 0`;
    await tx`
      insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, updated_values)
      select timestamptz '2026-07-01' + n * interval '1 second', 'actor', 'created', 'many', n::text,
        json_build_object(repeat('k', 6000), n) from generate_series(1, ${manyRows}) n`;
  });
});
afterAll(() => api.close());

const few = '/audit/export?table_name=few';

test.each([
  '',
  '&sort_order=desc',
  '&sort_by=changed_by',
  '&changed_by=ana,-5&object_id=object-1',
  '&changed_by=it%27s%20%5C%5C%27%20auditbox.x',
  '&sort_by=changed_by&sort_order=desc&object_id=%01,x%01%01',
  '&q=quotes&start_date=2026-07-01',
  '&object_id=none',
])('NDJSON%s is the list, line by line, digit by digit', async (query) => {
  const { text, headers } = await api.request(`${few}${query}`);
  expect(headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
  expect(headers.get('content-disposition')).toBe('attachment; filename="audit.ndjson"');
  const lines = text.split('\n').slice(0, -1);
  const order = query.includes('sort_order') ? '' : '&sort_order=asc';
  const listed: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page = await api.request(`/audit?table_name=few${query}${order}&page_size=100&cursor=${cursor}`);
    listed.push(page.text.slice('{"audit_logs":['.length, page.text.lastIndexOf('],"page_size"')));
    cursor = page.body.next_cursor;
  }
  // A value that has raw line breaks keeps them in the list.
  expect(lines.join()).toBe(
    listed
      .filter((part) => part !== '')
      .join()
      .replaceAll(/[\r\n]/g, ' '),
  );
  expect(text === '' || text.endsWith('}\n')).toBe(true);
});

test('a value with raw line breaks stays on one line', async () => {
  const { text } = await api.request(`${few}&changed_by=plain`);
  expect(text.split('\n')).toHaveLength(21);
  expect(text).not.toContain('\r');
  for (const line of text.trimEnd().split('\n')) {
    expect(line).toContain('12345678901234567890');
    expect(JSON.parse(line)).toMatchObject({ changed_by: 'plain', updated_values: '\n' });
  }
});

test('CSV has the same events in the same order, and no formula', async () => {
  const { text, headers } = await api.request(`${few}&format=csv`);
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
  expect(headers.get('content-disposition')).toBe('attachment; filename="audit.csv"');
  const rows: Record<string, string>[] = parse(text, { columns: true });
  const lines = (await api.request(few)).text.trimEnd().split('\n');
  expect(rows).toHaveLength(270);
  for (const [index, line] of lines.entries()) {
    const event = JSON.parse(line);
    const row = rows[index] as Record<string, string>;
    expect(Object.keys(row)).toEqual([...Object.keys(event), 'tenant', 'redacted']);
    expect([row.tenant, row.redacted]).toEqual(['', '']);
    for (const [name, value] of Object.entries(event)) {
      const cell = row[name] as string;
      expect(cell).not.toMatch(/^\s*[=+@-]/);
      const unguarded = cell.replace(/^'(?=\s*[=+@-]|[\t\r\n])/, '');
      if (/value|context/.test(name)) expect(cell === '' ? null : JSON.parse(unguarded)).toEqual(value);
      else expect(unguarded).toBe(value);
    }
  }
});

test.each([
  [undefined, 'ndjson'],
  ['*/*', 'ndjson'],
  ['text/csv', 'csv'],
  ['text/*', 'csv'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['text/csv;q=0.5, application/x-ndjson', 'ndjson'],
  ['application/x-ndjson;q=0.1, text/csv;q=0.2', 'csv'],
  ['image/png, */*;q=0.1', 'ndjson'],
  ['image/png', 406],
  ['application/json', 406],
  ['text/csv;q=0', 406],
] as const)('Accept: %s gets %s, and whatever format says instead', async (accept, expected) => {
  const headers: Record<string, string> = accept === undefined ? {} : { accept };
  const typeOf = ({ headers }: { headers: Headers }) =>
    /csv|ndjson|problem/.exec(headers.get('content-type') ?? '')?.[0];
  const answer = await api.request(`${few}&object_id=none`, { headers });
  expect(answer.status).toBe(expected === 406 ? 406 : 200);
  expect(typeOf(answer)).toBe(expected === 406 ? 'problem' : expected);
  for (const format of ['csv', 'ndjson'])
    expect(typeOf(await api.request(`${few}&object_id=none&format=${format}`, { headers }))).toBe(format);
});

const path = '/audit/export?table_name=many';

/** An export whose caller takes nothing beyond what the network holds, until it is read. */
async function startReading(query = '', url = api.url): Promise<IncomingMessage> {
  const request = get(`${url}${path}${query}`, { headers: { authorization: `Bearer ${masterKey}` } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  // A connection that breaks is an error of both.
  request.on('error', () => {});
  answer.pause();
  expect(answer.statusCode).toBe(200);
  return answer;
}

/** The reading statements that wait for a lock now. */
const waiting = () => api.db.sql<{ pid: number }[]>`
  select pid from pg_stat_activity
  where datname = current_database() and application_name = 'auditbox api reads' and wait_event_type = 'Lock'`;

test.each(['csv', 'ndjson'])(
  '%s of much more than the memory is exported whole, in flat memory',
  { timeout: 300_000 + manyRows * 2 },
  async (format) => {
    const answer = await startReading(`&format=${format}`);
    let bytes = 0;
    let lines = 0;
    answer.on('data', (part: Buffer) => {
      bytes += part.length;
      for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) lines += 1;
    });
    answer.resume();
    await once(answer, 'end');
    expect(lines).toBe(manyRows + (format === 'csv' ? 1 : 0));
    expect(bytes).toBeGreaterThan(manyRows * 6_000);
    expect(await readMegabytes(api.app.pid, 'VmHWM')).toBeLessThan(maxResidentMb);
  },
);

async function readMegabytes(pid: number, field: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s*(\\d+) kB`).exec(status)?.[1]) / 1024;
}

test('with the options of Node in `npm run api`, an export needs little more memory than a small one, and leaves no listeners', {
  timeout: 300_000 + manyRows * 2,
}, async () => {
  const { scripts } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
  const [, options = ''] = /^exec node (--.*) packages\/cli/.exec(scripts.api) ?? [];
  /** The most that exports one after the other add to the memory of an api. */
  const measureGrowth = async () => {
    const own = await startApi(urlAs('api', api.db.url), {}, options.split(' '));
    for (const format of ['ndjson', 'csv']) await own.request(`${few}&format=${format}`);
    const before = await readMegabytes(own.app.pid, 'VmRSS');
    // The peak begins anew: the start of a process needs more than its rest.
    await writeFile(`/proc/${own.app.pid}/clear_refs`, '5');
    for (const format of ['ndjson', 'csv', 'ndjson']) {
      const answer = await startReading(`&format=${format}`, own.url);
      answer.resume();
      await once(answer, 'end');
    }
    // Node warns of listeners that stay for each part.
    expect(own.app.output()).not.toContain('Warning');
    return (await readMegabytes(own.app.pid, 'VmHWM')) - before;
  };
  // V8 collects later while other programs need the processor: three of 18 processes grew by more. What an export
  // really needs, it needs each time.
  let growth = await measureGrowth();
  for (let tries = 1; tries < 4 && growth >= maxGrowthMb; tries += 1) growth = await measureGrowth();
  expect(growth).toBeLessThan(maxGrowthMb);
});

test('a caller that stops reading and then disconnects ends the export', async () => {
  const answer = await startReading();
  const lastStatement = async () => {
    const [row] = await api.db.sql<[{ at: string; busy: number }]>`
      select max(query_start)::text as at, count(*) filter (where state = 'active')::int as busy from pg_stat_activity
      where datname = current_database() and application_name = 'auditbox api reads'`;
    return row;
  };
  /** Nothing is asked of the database any more while we ask many times. */
  const untilStill = () =>
    eventually(async () => {
      const before = await lastStatement();
      for (let times = 0; times < 100; times += 1) expect(await lastStatement()).toEqual({ ...before, busy: 0 });
    });
  await untilStill();
  const unlock = await lockAuditLog(api.db);
  answer.read();
  answer.resume();
  await eventually(async () => expect(await waiting()).toHaveLength(1));
  answer.destroy();
  // The statement ends although what it waits for has not come.
  await eventually(async () => expect(await waiting()).toEqual([]));
  const isBroken = ({ path: of, answered }: (typeof api.app.log)[number]) =>
    of === '/audit/export' && answered === false;
  await api.app.event('request', isBroken);
  await unlock();
  await untilStill();
  expect(api.app.log.filter(isBroken)).toHaveLength(1);
});

test('an export that fails in the middle breaks its connection: an answer that ends normally is complete', async () => {
  const answer = await startReading();
  const unlock = await lockAuditLog(api.db);
  answer.resume();
  const [session] = await eventually(async () => {
    const sessions = await waiting();
    expect(sessions).toHaveLength(1);
    return sessions;
  });
  const failed = once(answer, 'end');
  await api.db.sql`select pg_terminate_backend(${session?.pid ?? null}::int)`;
  await expect(failed).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(answer.complete).toBe(false);
  await unlock();
  expect((await api.request(few)).text.split('\n')).toHaveLength(271);
});

test.each(['csv', 'ndjson'])(
  '%s that fails in the middle over HTTP/1.0, where an answer has no length, resets its connection',
  async (format) => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write(`GET ${path}&format=${format} HTTP/1.0\r\nAuthorization: Bearer ${masterKey}\r\n\r\n`);
    const [head] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    expect(head.toString()).toMatch(/^HTTP\/1\.1 200 /);
    expect(head.toString()).not.toMatch(/content-length|transfer-encoding/i);
    const unlock = await lockAuditLog(api.db);
    const ended = new Promise((resolve) => socket.once('end', () => resolve('ended')).on('error', resolve));
    socket.resume();
    const [session] = await eventually(async () => {
      const sessions = await waiting();
      expect(sessions).toHaveLength(1);
      return sessions;
    });
    await api.db.sql`select pg_terminate_backend(${session?.pid ?? null}::int)`;
    expect(await ended).toMatchObject({ code: 'ECONNRESET' });
    await unlock();
  },
);

test.each(['csv', 'ndjson'])(
  'trailers and the closing line of %s say how many rows were sent and where the record begins',
  async (format) => {
    const request = get(`${api.url}${few}&format=${format}&closing_line=true`, {
      headers: { authorization: `Bearer ${masterKey}` },
    });
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    expect(answer.headers.trailer).toBe('auditbox-export-rows, auditbox-record-begins-at');
    expect(answer.headers['auditbox-record-begins-at']).toBe('none');
    const sent = await readText(answer);
    expect(answer.trailers).toEqual({ 'auditbox-export-rows': '270', 'auditbox-record-begins-at': 'none' });
    const closing =
      format === 'csv' ? '# 270 rows; record_begins_at none\r\n' : '{"export_rows":270,"record_begins_at":null}\n';
    const without = (await api.request(`${few}&format=${format}`)).text;
    expect(sent).toBe(without + closing);
  },
);

test('an export that fails before its first line is a 503', async () => {
  const unlock = await lockAuditLog(api.db);
  const answer = api.request(few);
  const [session] = await eventually(async () => {
    const sessions = await waiting();
    expect(sessions).toHaveLength(1);
    return sessions;
  });
  await api.db.sql`select pg_terminate_backend(${session?.pid ?? null}::int)`;
  expect(await answer).toMatchObject({ status: 503, body: { status: 503 } });
  await unlock();
});
