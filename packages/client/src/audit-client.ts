import createApi, { type Client } from 'openapi-fetch';
import { v7 as uuidv7 } from 'uuid';
import { answerOf } from './answer-of.ts';
import type { paths } from './api-types.ts';
import { type PollOptions, type PollQuery, poll, type RecordedPart } from './poll.ts';
import { printQuery } from './print-query.ts';
import type {
  AuditEvent,
  BatchReceipt,
  CallOptions,
  EventList,
  ExportQuery,
  ListQuery,
  NewAuditEvent,
} from './wire.ts';
import { writeAgain } from './write-again.ts';

export interface ClientOptions {
  /** Where the api is: `http://127.0.0.1:4000`. */
  readonly baseUrl: string;
  /** An API key with the scopes that are needed. */
  readonly key: string;
}

/** The api as functions. All of them throw ApiProblem when it refuses, and what fetch throws when it is not reached. */
export interface AuditClient {
  /** Every route, typed, with nothing added. */
  readonly api: Client<paths>;
  /** One part of the matching events: by `page`, on from a `cursor`, or with `recorded_after`. */
  list(query?: ListQuery, options?: CallOptions): Promise<EventList>;
  /** All matching events, one after the other; newest first unless asked otherwise. */
  events(query?: Omit<ListQuery, 'page' | 'recorded_after'>, options?: CallOptions): AsyncGenerator<AuditEvent, void>;
  /** What is recorded from a time on, for ever. */
  poll(query: PollQuery, options: PollOptions): AsyncGenerator<RecordedPart, void>;
  /** All matching events as NDJSON or CSV, as they come; the stream fails when the connection breaks on the way. */
  export(query?: ExportQuery, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /**
   * Records an event; it is on disk when this resolves. It gets an id unless it has one, and is sent again when the answer
   * is lost. If this throws in the end it may still be stored: who tries again then gives an id of its own.
   */
  write(event: NewAuditEvent, options?: { readonly signal?: AbortSignal }): Promise<AuditEvent>;
  /** The same for events that are stored together or not at all. */
  writeBatch(events: readonly NewAuditEvent[], options?: { readonly signal?: AbortSignal }): Promise<BatchReceipt>;
}

/** Makes a client. Numbers of values are read as doubles; `export` gives the text as it was recorded. */
export function createClient({ baseUrl, key }: ClientOptions): AuditClient {
  const api = createApi<paths>({
    baseUrl,
    headers: { authorization: `Bearer ${key}` },
    querySerializer: printQuery,
  });
  const list: AuditClient['list'] = (query = {}, options = {}) =>
    answerOf(api.GET('/audit', { params: { query, header: preferring(options) }, ...aborting(options) }));
  return {
    api,
    list,
    async *events({ page_size = 100, cursor: begin = '', ...query } = {}, options = {}) {
      for (let cursor: string | null = begin; cursor !== null; ) {
        const part: EventList = await list({ ...query, page_size, cursor }, options);
        yield* part.audit_logs;
        cursor = part.next_cursor;
      }
    },
    poll: (query, options) => poll(list, query, options),
    async export(query = {}, options = {}) {
      const header = preferring(options);
      const asked = api.GET('/audit/export', { params: { query, header }, parseAs: 'stream', ...aborting(options) });
      return (await answerOf(asked)) as ReadableStream<Uint8Array>;
    },
    write(event, options = {}) {
      const body = withId(event);
      return writeAgain(() => answerOf(api.POST('/audit', { body, ...aborting(options) })), options.signal);
    },
    writeBatch(events, options = {}) {
      const body = events.map(withId);
      return writeAgain(() => answerOf(api.POST('/audit/batch', { body, ...aborting(options) })), options.signal);
    },
  };
}

function withId(event: NewAuditEvent): NewAuditEvent {
  return { ...event, id: event.id ?? uuidv7() };
}

function preferring({ readPrimary = false }: CallOptions): { Prefer?: string } {
  return readPrimary ? { Prefer: 'read-primary' } : {};
}

function aborting({ signal }: { readonly signal?: AbortSignal | undefined }): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}
