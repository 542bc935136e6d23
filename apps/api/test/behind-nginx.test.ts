import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { createClient } from '@auditbox/client/audit-client.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { hasNginx, startNginx } from '@auditbox/testing/servers/own-nginx.ts';
import type { App } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * An export that breaks behind a real nginx looks broken to its caller, as docs/read.md says: behind the nginx of docs/operate.md, and
 * behind one that asks the api over HTTP/1.0, where an answer has no length.
 */

if (!hasNginx) process.stderr.write('\nSKIPPED: exports behind nginx: apt-get install nginx-light.\n\n');

/** Rows of 6 kB. An nginx that stores answers takes them as fast as it can, so there are more than it gets in a moment. */
const manyRows = 20_000;

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
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

/** An export with a closing line, after its first bytes have come. */
async function beginExport(url: string): Promise<{ readonly whole: Promise<boolean>; readonly tail: () => string }> {
  const request = get(`${url}/audit/export?table_name=many&closing_line=true`, {
    agent: false,
    headers: { authorization: `Bearer ${masterKey}` },
  });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  request.on('error', () => {});
  expect(answer.statusCode).toBe(200);
  let tail = '';
  const whole = new Promise<boolean>((resolve) =>
    answer.once('end', () => resolve(answer.complete)).once('error', () => resolve(false)),
  );
  answer.on('data', (part: Buffer) => {
    tail = (tail + part.toString('latin1', Math.max(0, part.length - 200))).slice(-200);
  });
  await once(answer, 'data');
  return { whole, tail: () => tail };
}

/** The same by our client. `outcome` is null if it read the export to its end, else the error. */
async function beginByClient(url: string): Promise<{ readonly outcome: Promise<Error | null> }> {
  const rows = await createClient({ baseUrl: url, key: masterKey }).export({ table_name: ['many'] });
  const reader = rows.getReader();
  await reader.read();
  const readToEnd = async () => {
    while (!(await reader.read()).done);
    return null;
  };
  return { outcome: readToEnd().catch((error: Error) => error) };
}

/** The statements of exports that wait for the lock. */
const waiting = () => api.db.sql<{ pid: number }[]>`
  select pid from pg_stat_activity
  where datname = current_database() and application_name = 'auditbox api reads' and wait_event_type = 'Lock'`;

/** Stops an api as an operator does who does not want to wait for its exports: the second signal ends it at once. */
async function stopAtOnce({ signal, ended }: App): Promise<void> {
  const timer = setInterval(() => signal('SIGTERM'), 300);
  expect(await ended).toBe(1);
  clearInterval(timer);
}

test.skipIf(!hasNginx).each([
  { form: 'documented', breaks: 'database' },
  { form: 'documented', breaks: 'api (stopped)' },
  { form: 'documented', breaks: 'api (killed)' },
  { form: 'stock', breaks: 'database' },
  { form: 'stock', breaks: 'api (stopped)' },
  { form: 'stock', breaks: 'api (killed)' },
] as const)(
  'behind the $form nginx an export whose $breaks ends in the middle is not whole',
  async ({ form, breaks }) => {
    const own = await startApi(urlAs('api', api.db.url));
    const nginx = await startNginx(own.url, form);
    const [{ whole, tail }, { outcome }] = await Promise.all([beginExport(nginx.url), beginByClient(nginx.url)]);
    const unlock = await lockAuditLog(api.db);
    try {
      const sessions = await eventually(async () => {
        const found = await waiting();
        expect(found).toHaveLength(2);
        return found;
      });
      if (breaks === 'api (stopped)') await stopAtOnce(own.app);
      else if (breaks === 'api (killed)') own.app.signal('SIGKILL');
      else for (const { pid } of sessions) await api.db.sql`select pg_terminate_backend(${pid}::int)`;
      expect(await outcome).toBeInstanceOf(Error);
      const isWhole = await whole;
      // Over HTTP/1.0 a process that is killed cannot reset its connections. Then only the closing line is missing.
      if (form === 'documented' || breaks !== 'api (killed)') expect(isWhole).toBe(false);
      expect(tail()).not.toContain('export_rows');
    } finally {
      await unlock();
      await nginx.close();
    }
  },
);

test.skipIf(!hasNginx).each(['documented', 'stock'] as const)(
  'behind the %s nginx an export that does not break is whole',
  async (form) => {
    const nginx = await startNginx(api.url, form);
    const { whole, tail } = await beginExport(nginx.url);
    expect(await whole).toBe(true);
    expect(tail()).toMatch(new RegExp(`\\{"export_rows":${manyRows},"record_begins_at":null\\}\\n$`));
    await nginx.close();
  },
);
