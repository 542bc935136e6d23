import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

const get = (path: string) => api.request(path, { key: null });

test('the reference page and everything that it loads come from the api', async () => {
  const page = await get('/docs');
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toMatch(/^text\/html/);
  const named = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url as string);
  expect(named.length).toBeGreaterThan(3);
  for (const url of named) {
    expect(url).toMatch(/^\/(?!\/)/);
    expect((await get(url)).status, url).toBe(200);
  }
  const { text: start } = await get('/docs/start.js');
  expect(`${page.text}${start}`).not.toMatch(/(https?:)?\/\/\w/);
  const { text: styles } = await get('/docs/swagger-ui.css');
  expect(styles).not.toMatch(/@import|url\((?!["']?data:)/);
});

test('the page may load only from the api, and answers of data routes may load nothing', async () => {
  const readPolicy = async (path: string) => (await get(path)).headers.get('content-security-policy') ?? '';
  const policy = await readPolicy('/docs');
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toMatch(/https?:|unsafe|\*/);
  for (const path of ['/audit', '/openapi.json', '/livez']) {
    expect(await readPolicy(path)).toBe("default-src 'none';frame-ancestors 'none'");
  }
});

test.each(['/docs/package.json', '/docs/swagger-ui.js', '/docs/..%2fapp.ts', '/docs/%2e%2e/app.ts'])(
  '%s is not served',
  async (path) => {
    expect((await get(path)).status).toBe(404);
  },
);
