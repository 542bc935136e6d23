import { createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { startOidcIssuer } from '@auditbox/testing/servers/oidc-issuer.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import type { Page } from 'playwright-core';
import { afterAll, expect, test } from 'vitest';
import { buildPage } from '../build.ts';
import { expectAccessible } from './accessible.ts';
import { launchBrowser } from './browser.ts';
import { openTab } from './page-fixture.ts';

/* People sign in on the page at a real issuer: authorization code with PKCE. */

const browser = await launchBrowser();
if (browser === null) process.stderr.write('\nSKIPPED: the tests of signing in on the page. They need chromium.\n\n');
const parts = browser === null ? null : await start();
afterAll(async () => {
  await browser?.close();
  await parts?.close();
});

async function start() {
  await buildPage();
  const issuer = await startOidcIssuer();
  const fixture = await createApiFixture();
  const { url, request } = await startApi(urlAs('api', fixture.db.url), {
    AUDIT_OIDC_ISSUER: issuer.url,
    AUDIT_OIDC_AUDIENCE: 'urn:auditbox',
    AUDIT_OIDC_SCOPE_MAP: 'auditors=read',
    AUDIT_OIDC_CLIENT_ID: 'page of "audit" & co',
    AUDIT_OIDC_CLIENT_SCOPES: 'openid,auditors',
    AUDIT_OIDC_CLIENT_PARAMETERS: 'resource=urn:auditbox',
  });
  issuer.addPage('page of "audit" & co', `${url}/ui/signed-in`);
  await request('/audit', { body: anEvent({ changed_by: 'ana' }) });
  const close = async () => {
    await fixture.close();
    await issuer.close();
  };
  return { issuer, url, request, close };
}

type Parts = NonNullable<typeof parts>;

function signInTest(name: string, run: (parts: Parts, page: Page) => Promise<void>): void {
  test.skipIf(browser === null)(`${name} (needs chromium)`, async () => {
    if (browser === null || parts === null) return;
    const page = await openTab(browser);
    await run(parts, page);
    await page.context().close();
  });
}

/** Begins at the page and stops where the issuer sends the browser back, because the scripts of the page are kept away. */
async function takeAnswer({ url }: Parts, page: Page): Promise<URL> {
  await page.goto(`${url}/ui/`);
  await page.getByRole('button', { name: 'Continue with' }).waitFor();
  await page.route('**/assets/**', (route) => route.abort());
  await page.getByRole('button', { name: 'Continue with' }).click();
  await page.waitForURL(/signed-in\?/);
  await page.unroute('**/assets/**');
  return new URL(page.url());
}

signInTest('a person signs in at the issuer and is back where they were', async ({ url, issuer }, page) => {
  const asked: URL[] = [];
  page.on('request', (request) => asked.push(new URL(request.url())));
  await page.goto(`${url}/ui/?changed_by=ana`);
  await page.getByRole('button', { name: `Continue with ${new URL(issuer.url).host}` }).click();
  await page.locator('.event-row').first().waitFor();
  expect(page.url()).toBe(`${url}/ui/?changed_by=ana`);
  expect(await page.locator('.who').textContent()).toContain('ana');
  const search = asked.find(({ pathname, origin }) => pathname === '/auth' && origin === issuer.url)?.searchParams;
  expect(search?.get('code_challenge_method')).toBe('S256');
  expect(search?.get('code_challenge')).toMatch(/^[\w-]{43}$/);
  // The token is in this tab alone, and the code is worth nothing any more.
  expect(await page.evaluate(() => Object.values(localStorage).join())).not.toContain('eyJ');
  expect(await page.evaluate(() => sessionStorage.getItem('auditbox-sign-in'))).toBeNull();
  await page.reload();
  await page.locator('.event-row').first().waitFor();
});

signInTest('an answer that this tab did not ask for is refused, and no token is asked for it', async (all, page) => {
  const answer = await takeAnswer(all, page);
  const victim = await openTab(page.context().browser() ?? expect.fail('The browser has ended.'));
  let tokenRequests = 0;
  victim.on('request', (request) => {
    if (request.url() === `${all.issuer.url}/token`) tokenRequests += 1;
  });
  await victim.goto(answer.href);
  await expect.poll(() => victim.getByRole('alert').textContent()).toContain('belongs to no sign-in of this tab');
  expect(tokenRequests).toBe(0);
  expect(victim.url()).toBe(`${all.url}/ui/signed-in`);
  await victim.context().close();
});

signInTest('an answer with another state is refused', async (all, page) => {
  const answer = await takeAnswer(all, page);
  answer.searchParams.set('state', 'other');
  await page.goto(answer.href);
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('belongs to no sign-in of this tab');
});

signInTest('an answer of another issuer is refused', async (all, page) => {
  const answer = await takeAnswer(all, page);
  answer.searchParams.set('iss', 'https://evil.example.com');
  await page.goto(answer.href);
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('came from https://evil.example.com');
});

signInTest('an ID token with another nonce is refused', async (all, page) => {
  const answer = await takeAnswer(all, page);
  await page.evaluate(() => {
    const begun = JSON.parse(sessionStorage.getItem('auditbox-sign-in') ?? '{}');
    sessionStorage.setItem('auditbox-sign-in', JSON.stringify({ ...begun, nonce: 'other' }));
  });
  await page.goto(answer.href);
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('it answers another request');
  expect(await page.evaluate(() => sessionStorage.getItem('auditbox-session'))).toBeNull();
});

signInTest('a code without the verifier of this tab is worth nothing', async (all, page) => {
  const answer = await takeAnswer(all, page);
  await page.evaluate(() => {
    const begun = JSON.parse(sessionStorage.getItem('auditbox-sign-in') ?? '{}');
    sessionStorage.setItem('auditbox-sign-in', JSON.stringify({ ...begun, verifier: 'x'.repeat(43) }));
  });
  await page.goto(answer.href);
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('The issuer says:');
});

signInTest('a refusal of the issuer is shown in its words, and a key still signs in', async (all, page) => {
  const answer = await takeAnswer(all, page);
  answer.searchParams.delete('code');
  answer.searchParams.set('error', 'access_denied');
  answer.searchParams.set('error_description', 'Ana may not.');
  await page.goto(answer.href);
  await expect.poll(() => page.getByRole('alert').textContent()).toBe('The issuer says: Ana may not.');
  await page.getByLabel('API key').fill(masterKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.event-row').first().waitFor();
  expect(page.url()).toBe(`${all.url}/ui/`);
});

signInTest('an issuer that is down is named, and signing in works when it is back', async ({ url, issuer }, page) => {
  await page.goto(`${url}/ui/`);
  issuer.setDown(true);
  await page.getByRole('button', { name: 'Continue with' }).click();
  await expect.poll(() => page.getByRole('alert').textContent()).toContain('cannot be reached');
  issuer.setDown(false);
  await page.getByRole('button', { name: 'Continue with' }).click();
  await page.locator('.event-row').first().waitFor();
});

signInTest('the policy of the page allows calls of this api and of the issuer alone', async ({ request, issuer }) => {
  const { headers } = await request('/ui/', { key: null, headers: { accept: 'text/html' } });
  expect(headers.get('content-security-policy')).toContain(`connect-src 'self' ${issuer.url};`);
});

signInTest('axe finds nothing serious where people sign in, in both themes', async ({ url }, page) => {
  await page.goto(`${url}/ui/`);
  await page.getByRole('button', { name: 'Continue with' }).waitFor();
  await expectAccessible(page);
});
