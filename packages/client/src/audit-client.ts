import createApi, { type Client } from 'openapi-fetch';
import { v7 as uuidv7 } from 'uuid';
import { readBody } from './api-problem.ts';
import type { paths } from './api-types.ts';
import { checkExport } from './check-export.ts';
import { joinParts } from './join-parts.ts';
import { type PollOptions, type PollQuery, poll, type RecordedPart } from './poll.ts';
import { printQuery } from './print-query.ts';
import { decodeReceipt } from './receipt.ts';
import { retry } from './retry.ts';
import { createSending } from './send-request.ts';
import type {
  AuditEvent,
  BatchReceipt,
  CallOptions,
  EventList,
  ExportQuery,
  ListQuery,
  NewAuditEvent,
  SendOptions,
  WriteOptions,
} from './wire.ts';

export interface ClientOptions {
  /** URL of the api, such as `http://127.0.0.1:4000`. */
  readonly baseUrl: string;
  /** An API key with the required scopes. */
  readonly key: string;
  /**
   * How long a call sends again when the api is not reached, fails or asks for it. Default: 30,000 ms, which is longer than an
   * api needs to restart.
   */
  readonly retryForMs?: number;
  /** How long one request waits for its response, and an export for the begin of its response. Default: 60,000 ms. */
  readonly timeoutMs?: number;
  /**
   * Keeps a signed receipt, where the api gives receipts. A write resolves after it. If it throws, so does the write, and the
   * event is stored all the same.
   */
  readonly onReceipt?: (receipt: string) => void | Promise<void>;
}

/**
 * The api as functions. They send again until `retryForMs` are over, because each request may be repeated. They throw
 * ApiProblem for an error response, ApiUnreachableError when no complete response arrives, and the reason of their signal.
 */
export interface AuditClient {
  /** Direct typed access to every route. It sends each request once and throws no ApiProblem. */
  readonly api: Client<paths>;
  /** One page of the matching events: by `page`, from a `cursor`, or with `recorded_after`. */
  list(query?: ListQuery, options?: CallOptions): Promise<EventList>;
  /** All matching events, one after the other. Newest first by default. */
  events(query?: Omit<ListQuery, 'page' | 'recorded_after'>, options?: CallOptions): AsyncGenerator<AuditEvent, void>;
  /** All events recorded after a time. Runs until aborted. */
  poll(query: PollQuery, options: PollOptions): AsyncGenerator<RecordedPart, void>;
  /**
   * Streams all matching events as NDJSON or CSV. The stream fails when the connection breaks, and with IncompleteExportError
   * when rows are missing although the connection seems to have ended well, as behind some proxies. An export with
   * `archive: 'true'` has several parts; the stream asks for one after the other.
   */
  export(query?: ExportQuery, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Records an event. When this resolves, the event is on disk. An event without an id gets one, and is sent again when the
   * response is lost. If this throws, the event may be stored all the same. To retry safely, pass an event with an id.
   */
  write(event: NewAuditEvent, options?: WriteOptions): Promise<AuditEvent | { readonly id: string }>;
  /** Records several events, all or none of them. */
  writeBatch(
    events: readonly NewAuditEvent[],
    options?: WriteOptions,
  ): Promise<BatchReceipt & { readonly ids: readonly string[] }>;
  /**
   * Records each event that the api accepts. The others have null in `ids` and a reason in `errors`. Throws ApiProblem with
   * status 422 when the api refuses all of them.
   */
  writeEach(events: readonly NewAuditEvent[], options?: WriteOptions): Promise<BatchReceipt>;
}

/** Makes a client. It parses numbers in values as doubles; `export` returns the recorded text. */
export function createClient({
  baseUrl,
  key,
  retryForMs: defaultRetryForMs = 30_000,
  timeoutMs = 60_000,
  onReceipt = () => {},
}: ClientOptions): AuditClient {
  const { sendWhole, sendForJson, sendForRows } = createSending(timeoutMs);
  const api = createApi<paths>({
    baseUrl,
    headers: { authorization: `Bearer ${key}` },
    querySerializer: printQuery,
    fetch: sendWhole,
  });
  const again = <T>(send: () => Promise<T>, { retryForMs = defaultRetryForMs, signal }: SendOptions): Promise<T> =>
    retry(send, retryForMs, signal);
  const list: AuditClient['list'] = (query = {}, options = {}) =>
    again(
      () =>
        readBody(
          api.GET('/audit', {
            params: { query, header: makeHeader(options) },
            fetch: sendForJson,
            ...makeSignal(options),
          }),
        ),
      options,
    );

  async function writeTogether(
    events: readonly NewAuditEvent[],
    options: WriteOptions,
    query: { partial?: 'true' },
  ): Promise<BatchReceipt> {
    const body = events.map((event) => identify(event, options));
    const params = { query, header: makeKey(options) };
    const send = () => readBody(api.POST('/audit/batch', { body, params, fetch: sendForJson, ...makeSignal(options) }));
    const written = (await again(send, options)) as BatchReceipt;
    if (written.receipt !== undefined) await onReceipt(written.receipt);
    return written;
  }

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
      const openPart = async (cursor: string | undefined, onEnd: (nextCursor: string | null) => void) => {
        const part = { ...query, closing_line: 'true' as const, ...(cursor !== undefined && { cursor }) };
        const params = { query: part, header: makeHeader(options) };
        const send = () =>
          readBody(api.GET('/audit/export', { params, parseAs: 'stream', fetch: sendForRows, ...makeSignal(options) }));
        const rows = (await again(send, options)) as ReadableStream<Uint8Array>;
        return rows.pipeThrough(checkExport(query.format ?? 'ndjson', onEnd));
      };
      return joinParts(openPart, query.cursor);
    },
    async write(event, options = {}) {
      const body = identify(event, options);
      const params = { header: makeKey(options) };
      const { stored, header } = await again(async () => {
        const answer = await api.POST('/audit', { body, params, fetch: sendForJson, ...makeSignal(options) });
        const header = answer.response.headers.get('auditbox-receipt');
        return { stored: await readBody(Promise.resolve(answer)), header };
      }, options);
      if (header !== null) await onReceipt(decodeReceipt(header));
      return stored;
    },
    async writeBatch(events, options = {}) {
      // Only a partial write has ids that are null.
      return (await writeTogether(events, options, {})) as BatchReceipt & { readonly ids: readonly string[] };
    },
    writeEach: (events, options = {}) => writeTogether(events, options, { partial: 'true' }),
  };
}

/** With an Idempotency-Key the api makes the ids of events that have none. */
function identify(event: NewAuditEvent, { idempotencyKey }: WriteOptions): NewAuditEvent {
  return idempotencyKey === undefined ? { ...event, id: event.id ?? uuidv7() } : event;
}

function makeKey({ idempotencyKey }: WriteOptions): { 'Idempotency-Key'?: string } {
  return idempotencyKey === undefined ? {} : { 'Idempotency-Key': `"${idempotencyKey}"` };
}

function makeHeader({ readPrimary = false }: CallOptions): { Prefer?: string } {
  return readPrimary ? { Prefer: 'read-primary' } : {};
}

function makeSignal({ signal }: SendOptions): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
