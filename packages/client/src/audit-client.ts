import createApi, { type Client } from 'openapi-fetch';
import { v7 as uuidv7 } from 'uuid';
import { readBody } from './api-problem.ts';
import type { paths } from './api-types.ts';
import { checkExport } from './check-export.ts';
import { type PollOptions, type PollQuery, poll, type RecordedPart } from './poll.ts';
import { printQuery } from './print-query.ts';
import { decodeReceipt } from './receipt.ts';
import { retryWrite } from './retry-write.ts';
import type {
  AuditEvent,
  BatchReceipt,
  CallOptions,
  EventList,
  ExportQuery,
  ListQuery,
  NewAuditEvent,
} from './wire.ts';

export interface ClientOptions {
  /** URL of the api, such as `http://127.0.0.1:4000`. */
  readonly baseUrl: string;
  /** An API key with the required scopes. */
  readonly key: string;
  /**
   * Keeps a signed receipt, where the api gives receipts. A write resolves after it. If it throws, so does the write, and the
   * event is stored all the same.
   */
  readonly onReceipt?: (receipt: string) => void | Promise<void>;
}

/** The api as functions. They throw ApiProblem for an error response, and fetch's error when the api is not reached. */
export interface AuditClient {
  /** Direct typed access to every route. */
  readonly api: Client<paths>;
  /** One page of the matching events: by `page`, from a `cursor`, or with `recorded_after`. */
  list(query?: ListQuery, options?: CallOptions): Promise<EventList>;
  /** All matching events, one after the other. Newest first by default. */
  events(query?: Omit<ListQuery, 'page' | 'recorded_after'>, options?: CallOptions): AsyncGenerator<AuditEvent, void>;
  /** All events recorded after a time. Runs until aborted. */
  poll(query: PollQuery, options: PollOptions): AsyncGenerator<RecordedPart, void>;
  /**
   * Streams all matching events as NDJSON or CSV. The stream fails when the connection breaks, and with IncompleteExportError
   * when rows are missing although the connection seems to have ended well, as behind some proxies.
   */
  export(query?: ExportQuery, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Records an event. When this resolves, the event is on disk. An event without an id gets one, and is sent again when the
   * response is lost. If this throws, the event may be stored all the same. To retry safely, pass an event with an id.
   */
  write(
    event: NewAuditEvent,
    options?: { readonly signal?: AbortSignal },
  ): Promise<AuditEvent | { readonly id: string }>;
  /** Records several events, all or none of them. */
  writeBatch(
    events: readonly NewAuditEvent[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<BatchReceipt & { readonly ids: readonly string[] }>;
}

/** Makes a client. It parses numbers in values as doubles; `export` returns the recorded text. */
export function createClient({ baseUrl, key, onReceipt = () => {} }: ClientOptions): AuditClient {
  const api = createApi<paths>({
    baseUrl,
    headers: { authorization: `Bearer ${key}` },
    querySerializer: printQuery,
  });
  const list: AuditClient['list'] = (query = {}, options = {}) =>
    readBody(api.GET('/audit', { params: { query, header: makeHeader(options) }, ...makeSignal(options) }));
  return {
    api,
    list,
    async *events({ page_size = 100, cursor: begin = '', ...query } = {}, options = {}) {
      for (let cursor: string | null = begin; cursor !== null; ) {
        const page: EventList = await list({ ...query, page_size, cursor }, options);
        yield* page.audit_logs;
        cursor = page.next_cursor;
      }
    },
    poll: (query, options) => poll(list, query, options),
    async export(query = {}, options = {}) {
      const header = makeHeader(options);
      const request = api.GET('/audit/export', {
        params: { query: { ...query, closing_line: 'true' }, header },
        parseAs: 'stream',
        ...makeSignal(options),
      });
      const rows = (await readBody(request)) as ReadableStream<Uint8Array>;
      return rows.pipeThrough(checkExport(query.format ?? 'ndjson'));
    },
    async write(event, options = {}) {
      const body = withId(event);
      const { stored, header } = await retryWrite(async () => {
        const answer = await api.POST('/audit', { body, ...makeSignal(options) });
        const header = answer.response.headers.get('auditbox-receipt');
        return { stored: await readBody(Promise.resolve(answer)), header };
      }, options.signal);
      if (header !== null) await onReceipt(decodeReceipt(header));
      return stored;
    },
    async writeBatch(events, options = {}) {
      const body = events.map(withId);
      const send = () => readBody(api.POST('/audit/batch', { body, ...makeSignal(options) }));
      // Only a partial write has ids that are null.
      const written = (await retryWrite(send, options.signal)) as BatchReceipt & { readonly ids: readonly string[] };
      if (written.receipt !== undefined) await onReceipt(written.receipt);
      return written;
    },
  };
}

function withId(event: NewAuditEvent): NewAuditEvent {
  return { ...event, id: event.id ?? uuidv7() };
}

function makeHeader({ readPrimary = false }: CallOptions): { Prefer?: string } {
  return readPrimary ? { Prefer: 'read-primary' } : {};
}

function makeSignal({ signal }: { readonly signal?: AbortSignal | undefined }): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
