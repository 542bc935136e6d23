import { execFile } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* The health check of the api's image. */

const program = fileURLToPath(new URL('../src/check-health.ts', import.meta.url));
let api: ApiFixture;
let tls: { readonly TLS_CERT_FILE: string; readonly TLS_KEY_FILE: string };

beforeAll(async () => {
  api = await createApiFixture();
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  tls = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') };
  const pems = await generate([{ name: 'commonName', value: 'audit.example.com' }]);
  await writeFile(tls.TLS_CERT_FILE, pems.cert);
  await writeFile(tls.TLS_KEY_FILE, pems.private);
});
afterAll(() => api.close());

/** The exit code of the check in a container with these settings. */
function check(env: Record<string, string>): Promise<number> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program], { env }, () => resolve(child.exitCode ?? -1));
  });
}

/** Starts an api and checks it by the same settings. */
async function startAndCheck(settings: Record<string, string>): Promise<number> {
  const PORT = String(await findFreePort());
  const own = await startApi(urlAs('api', api.db.url), { ...settings, PORT });
  if (settings.ADMIN_PORT !== undefined) await own.app.event('admin-listening');
  return check({ ...settings, PORT });
}

test('an api that is ready is healthy, also over TLS and behind an own port for operators', async () => {
  const ADMIN_PORT = String(await findFreePort());
  const TLS_CLIENT_CA_FILE = tls.TLS_CERT_FILE;
  for (const settings of [{}, tls, { ...tls, TLS_CLIENT_CA_FILE }, { ...tls, TLS_CLIENT_CA_FILE, ADMIN_PORT }])
    expect(await startAndCheck(settings), Object.keys(settings).join()).toBe(0);
});

test('an api that does not listen, or has no database, is not healthy', async () => {
  const PORT = String(await findFreePort());
  for (const settings of [{}, tls, { ...tls, TLS_CLIENT_CA_FILE: tls.TLS_CERT_FILE }])
    expect(await check({ ...settings, PORT })).toBe(1);
  await startApi('postgres://x@127.0.0.1:1/x', { PORT });
  expect(await check({ PORT })).toBe(1);
});
