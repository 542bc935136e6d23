import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { expect, test } from 'vitest';
import { buildPage } from '../build.ts';
import { launchBrowser } from './browser.ts';
import { openTab } from './page-fixture.ts';

/* The page below a path of a real nginx, which is configured as docs/operate.md says. */

const browser = await launchBrowser();
const hasNginx = spawnSync('nginx', ['-v']).status === 0;
if (browser === null || !hasNginx)
  process.stderr.write(
    '\nSKIPPED: the page behind nginx. It needs chromium, and nginx: apt-get install nginx-light.\n\n',
  );

/** The blocks of the document, with our ports. */
async function readDocumented(apiPort: string): Promise<{ upstream: string; location: string }> {
  const text = await readFile(join(import.meta.dirname, '../../../docs/operate.md'), 'utf8');
  const block = /```nginx\n(.*?)```/s.exec(text)?.[1] ?? '';
  const at = block.indexOf('location ');
  return { upstream: block.slice(0, at).replace('127.0.0.1:4000', `127.0.0.1:${apiPort}`), location: block.slice(at) };
}

async function startNginx(apiPort: string, port: number) {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-nginx-'));
  const { upstream, location } = await readDocumented(apiPort);
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  ${upstream}
  server {
    listen 127.0.0.1:${port};
    ${location}
    location / { return 404; }
  }
}
`,
  );
  const nginx = spawnProgram('nginx', ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')], { env: {} });
  await eventually(async () => expect((await fetch(`http://127.0.0.1:${port}/auditbox/livez`)).status).toBe(200));
  return async () => {
    nginx.signal('SIGTERM');
    await nginx.ended;
    await rm(folder, { recursive: true });
  };
}

test.skipIf(browser === null || !hasNginx)(
  'below a path of nginx every screen, link, live event and download works, and nothing asks outside of the path (needs chromium and nginx)',
  async () => {
    if (browser === null) return;
    await buildPage();
    const fixture = await createApiFixture();
    const port = await findFreePort();
    const address = `http://127.0.0.1:${port}/auditbox`;
    const { url, request } = await startApi(urlAs('api', fixture.db.url), {
      PUBLIC_URL: address,
      TRUSTED_PROXIES: '127.0.0.1',
    });
    const stop = await startNginx(new URL(url).port, port);
    const event = anEvent({ changed_by: 'ana', object_id: 'prod-42' });
    await request('/audit/batch', { body: [event, ...someEvents(150)] });
    const page = await openTab(browser);
    const wrong: string[] = [];
    page.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (!response.url().startsWith('blob:') && (!pathname.startsWith('/auditbox/') || response.status() >= 400))
        wrong.push(`${response.status()} ${pathname}`);
    });
    await page.goto(`${address}/ui/?changed_by=ana`);
    await page.getByLabel('API key').fill(masterKey);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.locator('.event-row').first().waitFor();
    expect(page.url()).toBe(`${address}/ui/?changed_by=ana`);
    // An address of a screen, opened from outside, and its way on by links.
    await page.goto(`${address}/ui/events/${event.id}`);
    await page.locator('.diff').waitFor();
    await page.getByRole('link', { name: 'prod-42' }).first().click();
    await page.locator('.step').first().waitFor();
    expect(new URL(page.url()).pathname).toBe('/auditbox/ui/objects/teams/prod-42');
    for (const [name, shown] of [
      ['Export', '.headline'],
      ['Archive', '.archive-day'],
      ['Keys', 'h1'],
      ['Log', '.event-row'],
    ] as const) {
      await page.getByRole('navigation').getByRole('link', { name }).click();
      await page.locator(shown).first().waitFor();
    }
    await request('/audit', { body: anEvent({ changed_by: 'newcomer' }) });
    await expect.poll(() => page.locator('.event-row').first().textContent()).toContain('newcomer');
    await page.getByRole('button', { name: 'Download' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: /^Download \d+ events$/ }).click(),
    ]);
    expect((await readFile(await download.path(), 'utf8')).trimEnd().split('\n')).toHaveLength(152);
    expect(wrong).toEqual([]);
    await browser.close();
    await stop();
    await fixture.close();
  },
);
