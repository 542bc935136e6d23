import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectDatabase } from '../src/database/connect.ts';
import { DatabaseError, toDatabaseError } from '../src/database/database-error.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

const connection = (url: string) =>
  connectDatabase({ url, application: 'test', maxConnections: 1, statementTimeoutMs: 5_000 });

test.each([
  ['select 1 / 0', { code: '22012', kind: 'data', retry: false }],
  ['select from nowhere', { code: '42P01', kind: 'schema', retry: false }],
  ['select nothing()', { code: '42883', kind: 'schema', retry: false }],
  ["do $$ begin raise sqlstate '25006'; end $$", { code: '25006', kind: 'read-only', retry: true }],
  ["do $$ begin raise sqlstate '40001'; end $$", { code: '40001', kind: 'conflict', retry: true }],
  ["do $$ begin raise sqlstate '53100'; end $$", { code: '53100', kind: 'full', retry: true }],
  ["do $$ begin raise sqlstate '57P01'; end $$", { code: '57P01', kind: 'unreachable', retry: true }],
  ["do $$ begin raise sqlstate '42501'; end $$", { code: '42501', kind: 'misconfigured', retry: false }],
  ["do $$ begin raise unique_violation using constraint = 'c'; end $$", { kind: 'constraint', constraint: 'c' }],
  ["do $$ begin raise 'anything'; end $$", { code: 'P0001', kind: 'unexpected', retry: false }],
])('query throws what the error of `%s` means', async (statement, meaning) => {
  const one = connection(db.url);
  const error = await one.query((sql) => sql.unsafe(statement)).catch((thrown: unknown) => thrown);
  await one.close(1_000);
  expect(error).toBeInstanceOf(DatabaseError);
  expect(error).toMatchObject(meaning);
});

test('a server that is not there is unreachable, under a name with one address and with several', async () => {
  for (const host of ['127.0.0.1', 'localhost']) {
    const one = connection(`postgres://nobody@${host}:1/none`);
    await expect(one.query((sql) => sql`select 1`)).rejects.toMatchObject({ kind: 'unreachable', retry: true });
    await one.close(1_000);
  }
});

test('a write to a connection that the server has just ended is unreachable', async () => {
  const server = createServer((socket) => void socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').resume();
  await once(socket, 'end');
  // Until its close the driver knows nothing, and sends the next statement.
  const error = await new Promise((resolve) => {
    socket.on('error', () => {}).write('x', resolve);
  });
  expect(error).toMatchObject({ code: 'EPIPE' });
  expect(toDatabaseError(error)).toMatchObject({ kind: 'unreachable', retry: true });
  server.close();
});

test('errors with codes that are not the database’s pass through unchanged', async () => {
  const missingFile: unknown = await readFile('/no/such/file').catch((error: unknown) => error);
  expect(missingFile).toMatchObject({ code: 'ENOENT' });
  const ours = Object.assign(new Error('conflict'), { code: 'AUDIT_CONFLICT' });
  for (const error of [missingFile, ours, new TypeError('bug')]) {
    expect(toDatabaseError(error)).toBeNull();
    await expect(db.query(() => Promise.reject(error))).rejects.toBe(error);
  }
});

test('the sentence for an operator holds no value of the statement', async () => {
  const error = await db
    .query(
      (sql) => sql`insert into api_key (id, name, key_hash, scopes) values (gen_random_uuid(), 'a', 'secret', '{x}')`,
    )
    .catch((thrown: unknown) => thrown as DatabaseError);
  expect((error as DatabaseError).sentence).not.toContain('secret');
});
