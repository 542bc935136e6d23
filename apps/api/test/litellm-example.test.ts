import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { type App, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

/* examples/litellm, as LiteLLM calls it. */

const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) process.stderr.write('SKIPPED: the LiteLLM example, because there is no python3.\n');

const folder = resolve(import.meta.dirname, '../../../examples/litellm');
/** Gives each payload of a file to the hook, one in a line. Prints the id once the hook has returned. */
const caller = `
import asyncio, json, sys
import auditbox_litellm
async def main():
    for line in open(sys.argv[1]):
        payload = json.loads(line)
        await auditbox_litellm.auditbox.async_log_audit_log_event(payload)
        print("kept " + payload["id"], flush=True)
    await asyncio.sleep(3600)
asyncio.run(main())
`;

let api: ApiFixture;
let key: string;
let spool: string;

beforeAll(async () => {
  api = await createApiFixture();
  const { body } = await api.request('/keys', {
    body: { name: 'litellm', scopes: ['write'], bounds: { signs_keys: true } },
  });
  key = body.key;
});
afterAll(() => api.close());
beforeEach(async () => {
  spool = await mkdtemp(join(tmpdir(), 'auditbox-spool-'));
});
afterEach(() => rm(spool, { recursive: true }));

/** The payload of LiteLLM's hook: the values are JSON text, and what is missing is an empty text. */
function aPayload(fields: object = {}) {
  return {
    id: randomUUID(),
    updated_at: '2026-07-03T11:46:50.269000+00:00',
    changed_by: 'default_user_id',
    changed_by_api_key: 'a'.repeat(64),
    action: 'updated',
    table_name: 'LiteLLM_TeamTable',
    object_id: 'team-7',
    before_value: '{"max_budget": 10.0, "team_id": "team-7"}',
    updated_values: '{"max_budget": 25.10, "spend": 12345678901234567890, "team_id": "team-7"}',
    ...fields,
  };
}

function call(url: string, payloads: readonly object[]): App {
  const file = join(spool, `${randomUUID()}.lines`);
  writeFileSync(file, payloads.map((payload) => `${JSON.stringify(payload)}\n`).join(''));
  return spawnProgram('python3', ['-c', caller, file], {
    env: {
      PYTHONPATH: folder,
      PYTHONDONTWRITEBYTECODE: '1',
      AUDITBOX_URL: url,
      AUDITBOX_KEY: key,
      AUDITBOX_SPOOL: spool,
    },
  });
}

const waiting = async () => (await readdir(spool)).filter((name) => name.endsWith('.json'));
const stored = async ({ id }: { id: string }) => (await api.request(`/audit/${id}`)).body;

test.runIf(hasPython)('an event is stored at its own time, and its values are JSON with all digits', async () => {
  const given = aPayload();
  const bare = aPayload({ changed_by: '', changed_by_api_key: '', updated_at: '', before_value: null });
  const strange = aPayload({ before_value: '{"n": NaN}', updated_values: 'plain text' });
  const app = call(api.url, [given, bare, strange]);
  await eventually(async () => expect(await stored(strange)).toMatchObject({ before_value: '{"n": NaN}' }));
  expect(await stored(bare)).toMatchObject({ changed_by: 'unknown', before_value: null });
  expect(await stored(given)).toMatchObject({
    updated_at: '2026-07-03T11:46:50.269000Z',
    changed_by_api_key: 'a'.repeat(64),
  });
  const { text } = await api.request(`/audit/${given.id}`);
  expect(text.replaceAll(' ', '')).toContain('{"max_budget":25.10,"spend":12345678901234567890,"team_id":"team-7"}');
  expect((await api.request('/audit?object_team_id=team-7')).body.total).toBe(2);
  await eventually(async () => expect(await waiting()).toEqual([]));
  app.signal('SIGKILL');
  await app.ended;
});

test.runIf(hasPython)(
  'what the hook has kept survives an outage and a killed LiteLLM, and is stored once',
  async () => {
    const payloads = Array.from({ length: 50 }, () => aPayload());
    const nobody = 'http://127.0.0.1:9';
    const killed = call(nobody, payloads);
    await eventually(() => expect(killed.output()).toContain(`kept ${payloads.at(-1)?.id}`));
    killed.signal('SIGKILL');
    await killed.ended;
    expect(await waiting()).toHaveLength(50);
    // Two processes share the folder, and one is killed while it sends.
    const other = call(api.url, []);
    const next = call(api.url, []);
    await eventually(async () => expect((await waiting()).length).toBeLessThan(50));
    other.signal('SIGKILL');
    await eventually(async () => expect(await waiting()).toEqual([]));
    for (const payload of payloads) expect((await stored(payload)).id).toBe(payload.id);
    next.signal('SIGKILL');
    await Promise.all([other.ended, next.ended]);
  },
);

test.runIf(hasPython)(
  'an event that Auditbox will never take is kept for a person, and holds up no other',
  async () => {
    const strange = aPayload({ action: 'exploded' });
    const large = aPayload({ updated_values: 'x'.repeat(2_000_000) });
    const good = aPayload();
    const app = call(api.url, [strange, large, good]);
    await eventually(async () => expect((await stored(good)).id).toBe(good.id));
    await eventually(async () => expect(await readdir(join(spool, 'refused'))).toHaveLength(2));
    // The file of an event goes once the answer has arrived.
    await eventually(async () => expect(await waiting()).toEqual([]));
    expect(app.output()).toContain('action');
    app.signal('SIGKILL');
    await app.ended;
  },
);

test.runIf(hasPython)('an event that a proxy finds too large is kept for a person, and holds up no other', async () => {
  const proxy = createServer(async (request, response) => {
    const body = await text(request);
    // As nginx answers above `client_max_body_size`.
    if (body.length > 5_000) return response.writeHead(413, { 'content-type': 'text/html' }).end('<h1>Too large</h1>');
    const { authorization = '', 'content-type': type = '' } = request.headers;
    const answer = await fetch(`${api.url}${request.url}`, {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body,
    });
    return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const payloads = [aPayload({ updated_values: 'x'.repeat(10_000) }), aPayload(), aPayload()];
  const app = call(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, payloads);
  for (const good of payloads.slice(1)) await eventually(async () => expect((await stored(good)).id).toBe(good.id));
  await eventually(async () => expect(await readdir(join(spool, 'refused'))).toHaveLength(1));
  await eventually(async () => expect(await waiting()).toEqual([]));
  app.signal('SIGKILL');
  await app.ended;
  proxy.close();
});

test.runIf(hasPython)('while the key is wrong nothing is lost, and a good key sends it', async () => {
  const payload = aPayload();
  const { request } = await startApi(urlAs('api', api.db.url));
  const { body } = await request('/keys', { body: { name: 'reader', scopes: ['read'] } });
  const good = key;
  key = body.key;
  const wrong = call(api.url, [payload]);
  await eventually(() => expect(wrong.output()).toContain('has not taken the events yet (HTTP 403)'));
  wrong.signal('SIGKILL');
  await wrong.ended;
  key = good;
  const right = call(api.url, []);
  await eventually(async () => expect((await stored(payload)).id).toBe(payload.id));
  right.signal('SIGKILL');
  await right.ended;
});

test.runIf(hasPython)('a redirect does not take the key to another host, and the event waits', async () => {
  let asked = 0;
  const elsewhere = createServer((_request, response) => {
    asked += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"ids":["x"],"errors":[]}');
  }).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  const location = `http://localhost:${(elsewhere.address() as AddressInfo).port}/audit/batch`;
  for (const status of [301, 302, 303, 307, 308]) {
    const proxy = createServer((_request, response) => {
      response.writeHead(status, { location }).end();
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const app = call(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, [aPayload()]);
    // The events of the calls before may be refused before this one is kept.
    await eventually(() => {
      expect(app.output()).toContain('kept ');
      expect(app.output()).toContain(`has not taken the events yet (HTTP ${status})`);
    });
    app.signal('SIGKILL');
    await app.ended;
    proxy.close();
  }
  expect(asked).toBe(0);
  expect(await waiting()).toHaveLength(5);
  elsewhere.close();
});
