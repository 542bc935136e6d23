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

/** An api as a process of its own. */
interface RunningApi {
  readonly app: App;
  readonly url: string;
  request(path: string, options?: RequestOptions): Promise<Answer>;
}

/** A database and its api. */
export interface ApiFixture extends RunningApi {
  readonly db: TestDatabase;
  close(): Promise<void>;
}

export async function createApiFixture(settings: Record<string, string> = {}): Promise<ApiFixture> {
  const db = await openTestDatabase(inject('databaseServer'));
  return {
    ...(await startApi(urlAs('api', db.url), settings)),
    db,
    async close() {
      await endApps();
      await db.close(1_000);
    },
  };
}

/** Starts an api on a database that is there; `endApps` ends it. */
export async function startApi(databaseUrl: string, settings: Record<string, string> = {}): Promise<RunningApi> {
  const app = spawnApp('api/src/main.ts', {
    DATABASE_URL: databaseUrl,
    PORT: '0',
    AUDIT_MASTER_KEY: masterKey,
    LOG_LEVEL: 'debug',
    ...settings,
  });
  const { port } = await app.line(/^The api listens/);
  const url = `http://127.0.0.1:${port}`;
  return { app, url, request: (path, options) => request(`${url}${path}`, options) };
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
