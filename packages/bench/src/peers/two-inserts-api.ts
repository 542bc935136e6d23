import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import postgres from 'postgres';
import { eventRow, isEvent } from './event-row.ts';
import { setting } from './setting.ts';

/**
 * The simplest possible api: it inserts a row into audit and a row into outbox in one transaction. It reads DATABASE_URL,
 * PORT (0 means any free port) and API_KEY from the environment, needs the tables of `createTwoInsertTables`, prints
 * `ready <port>` and ends at SIGTERM.
 */
const token = setting('API_KEY');
const sql = postgres(setting('DATABASE_URL'), { max: 10 });
const app = express();

app.use((request, response, next) => {
  if (request.get('authorization') === `Bearer ${token}`) next();
  else response.status(401).json({ error: 'The bearer token is missing or wrong.' });
});
app.use(express.json({ limit: '10mb' }));

app.post('/audit', async (request, response) => {
  const body: unknown = request.body;
  if (!isEvent(body)) {
    response.status(400).json({ error: 'Fields are missing.' });
    return;
  }
  const stored = await sql.begin(async (transaction) => {
    const [row] = await transaction`insert into audit ${transaction(eventRow(body))} returning *`;
    await transaction`insert into outbox ${transaction({ audit_id: row?.id })}`;
    return row;
  });
  response.status(201).json(stored);
});

app.post('/audit/batch', async (request, response) => {
  const body: unknown = request.body;
  if (!Array.isArray(body) || body.length === 0 || !body.every(isEvent)) {
    response.status(400).json({ error: 'The body must be an array of events.' });
    return;
  }
  const rows = body.map(eventRow);
  const ids = rows.map(({ id }) => id);
  await sql.begin(async (transaction) => {
    await transaction`insert into audit ${transaction(rows)}`;
    await transaction`insert into outbox ${transaction(ids.map((id) => ({ audit_id: id })))}`;
  });
  response.status(201).json({ ids });
});

const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
await once(server, 'listening');
process.stdout.write(`ready ${(server.address() as AddressInfo).port}\n`);
process.once('SIGTERM', () => {
  server.close(() => sql.end({ timeout: 5 }));
  server.closeIdleConnections();
});
