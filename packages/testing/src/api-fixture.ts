import { inject } from 'vitest';
import { type App, endApps, spawnApp } from './spawn-app.ts';
import { openTestDatabase, type TestDatabase } from './test-database.ts';
import { urlAs } from './test-roles.ts';

export const masterKey = 'master-key-of-the-tests';

/** An answer of the api; `body` is its JSON, or null. */
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
}

interface RequestOptions {
  readonly method?: string;
  /** Null sends none; else the master key, or this one. */
  readonly key?: string | null;
  readonly type?: string;
  /** Sent as it is; anything but text and bytes as JSON. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A database and an api as a process of its own. */
export interface ApiFixture {
  readonly db: TestDatabase;
  readonly app: App;
  readonly url: string;
  request(path: string, options?: RequestOptions): Promise<Answer>;
  close(): Promise<void>;
}

export async function createApiFixture(settings: Record<string, string> = {}): Promise<ApiFixture> {
  const db = await openTestDatabase(inject('databaseServer'));
  const app = spawnApp('api/src/main.ts', {
    DATABASE_URL: urlAs('api', db.url),
    PORT: '0',
    AUDIT_MASTER_KEY: masterKey,
    LOG_LEVEL: 'debug',
    ...settings,
  });
  const { port } = await app.line(/^The api listens/);
  const url = `http://127.0.0.1:${port}`;
  return {
    db,
    app,
    url,
    request: (path, options) => request(`${url}${path}`, options),
    async close() {
      await endApps();
      await db.close(1_000);
    },
  };
}

async function request(
  url: string,
  { method, key = masterKey, type, body, headers = {} }: RequestOptions = {},
): Promise<Answer> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': type ?? 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: isRaw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /^application\/(problem\+)?json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : null };
}
