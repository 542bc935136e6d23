import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));

test('a full disk under the log ends no api: events are stored, and a stop is graceful', async () => {
  const db = await openTestDatabase();
  const full = openSync('/dev/full', 'w');
  const port = await findFreePort();
  const env = {
    ...{ PATH: process.env.PATH, DATABASE_URL: urlAs('api', db.url), PORT: String(port) },
    ...{ AUDIT_MASTER_KEY: masterKey, LOG_LEVEL: 'trace' },
  };
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', full, 'inherit'] });
  closeSync(full);
  const ended = once(child, 'close');
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => expect((await fetch(`${url}/livez`)).status).toBe(200));
  const post = () =>
    fetch(`${url}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(anEvent()),
    });
  for (let n = 0; n < 50; n += 1) expect((await post()).status).toBe(201);
  child.kill('SIGTERM');
  expect((await ended)[0]).toBe(0);
  await db.close(1_000);
});
