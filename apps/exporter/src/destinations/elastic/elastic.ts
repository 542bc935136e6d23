import type { DeliveryRequest, Destination, Finding, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { baseUrl, headerSecret, headersOption, requestLimits, tlsOptions } from '../configured/options.ts';
import { classifyAnswer, describeAnswer } from '../http/classify-answer.ts';
import { createHttpClient, type HttpAnswer } from '../http/http-client.ts';
import { jsonAnswer } from '../http/json-answer.ts';
import { createTlsFiles } from '../tls/tls-files.ts';

const options = z.strictObject({
  url: baseUrl,
  /** A data stream or an index. `{month}` is the month of event time: ids are unique within one index only. */
  index: z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9._-]|\{month\}){0,254}$/,
      'must be lower-case letters, digits, full stops, _, - and {month}, and begin with a letter or digit',
    ),
  apiKey: headerSecret.optional(),
  headers: headersOption,
  ...tlsOptions,
  ...requestLimits,
});

/** Without it, the answer to 5,000 events is longer than what is read of an answer. */
const wantedOfItems = 'filter_path=items.*.status,items.*.error,items.*.failure_store';

const usualBytes = 5_000_000;
const mostRowBytes = 50_000_000;

/** Elasticsearch and OpenSearch, by `_bulk`. Each event is created with its id, so a repeated one changes nothing. */
export const elastic: DestinationType<typeof options> = {
  options,
  secrets: ['apiKey', 'headers'],
  create({ url, index, apiKey, headers: given, maxRows, maxBytes, ...tls }, { env, log }): Destination {
    const client = createHttpClient({ tls: createTlsFiles(tls, log), env });
    const authorization = apiKey === undefined ? {} : { authorization: `ApiKey ${apiKey}` };
    const headers = { ...given, ...authorization, 'content-type': 'application/x-ndjson' };
    const write = (row: Row) => {
      const target = index.replaceAll('{month}', row.occurredAt.slice(0, 7).replace('-', '.'));
      return `{"create":{"_index":"${target}","_id":"${row.id}"}}\n${withTimestamp(row)}\n`;
    };
    const unfinished = createUnfinished();
    return {
      limits: {
        maxRows: maxRows ?? 5_000,
        maxBytes: maxBytes ?? usualBytes,
        maxRowBytes: mostRowBytes,
        rowBytes: (row) => Buffer.byteLength(write(row)),
      },
      async deliver({ key, rows }: DeliveryRequest, signal): Promise<Outcome> {
        const settled = unfinished.take(key);
        const left = rows.filter(({ id }) => !settled.has(id));
        const sent = { url: `${url}/_bulk?${wantedOfItems}`, headers, body: left.map(write).join('') };
        const answer = readBulkAnswer(await client.send(sent, signal), left.length);
        if ('kind' in answer) {
          unfinished.keep(key, settled);
          return answer;
        }
        for (const [index, item] of answer.entries())
          if (item.kind === 'settled') settled.set(left[index]?.id ?? '', item.rejected);
        const open = answer.find((item) => item.kind !== 'settled');
        if (open !== undefined) {
          unfinished.keep(key, settled);
          return open;
        }
        const rejected = rows.flatMap(({ id }, index) => {
          const reason = settled.get(id) ?? null;
          return reason === null ? [] : [{ index, reason }];
        });
        return rejected.length === 0 ? { kind: 'taken' } : { kind: 'taken-but', rejected };
      },
      async check(signal): Promise<readonly Finding[]> {
        const answer = await client.send({ method: 'GET', url: `${url}/`, headers }, signal);
        return answer.status === 200 ? [] : [{ says: describeAnswer(answer.status, answer.text), stopsDelivery: true }];
      },
      close: async () => client.close(),
    };
  },
};

/** The rows of a request that need not be sent again, by their id: null, or why the row is rejected. */
type Settled = Map<string, string | null>;

/** As many as can be sent at the same time. */
const mostUnfinished = 64;

/**
 * Requests that are sent again because some of their items failed for now. Only these items are sent: the others would be stored twice if
 * the stream has rolled over in between. A process that starts anew does not know this and sends the whole request.
 */
function createUnfinished(): { take(key: string): Settled; keep(key: string, settled: Settled): void } {
  const kept = new Map<string, Settled>();
  return {
    take(key) {
      const settled = kept.get(key) ?? new Map();
      kept.delete(key);
      return settled;
    },
    keep(key, settled) {
      if (settled.size === 0) return;
      kept.set(key, settled);
      const [oldest] = kept.keys();
      if (kept.size > mostUnfinished && oldest !== undefined) kept.delete(oldest);
    },
  };
}

/** What an item means: its row is settled, or must be sent again, or waits for a person. */
type Item =
  | { readonly kind: 'settled'; readonly rejected: string | null }
  | Extract<Outcome, { kind: 'retry' | 'blocked' }>;

/** An item for each row, or the outcome of the whole request: 200 alone means nothing. */
function readBulkAnswer(answer: HttpAnswer, rows: number): readonly Item[] | Outcome {
  const outcome = classifyAnswer(answer);
  if (outcome.kind !== 'taken') return outcome;
  // The errors of many events. Halves have shorter answers, and an event that is there already changes nothing.
  if (answer.isCut && rows > 1) return { kind: 'too-large' };
  const items = jsonAnswer(answer)?.items;
  if (!Array.isArray(items) || items.length !== rows)
    return { kind: 'retry', code: 'NoItems', reason: 'The answer has no result for each event.' };
  return items.map((item) => readItem((item as { create?: GivenItem } | null)?.create ?? {}));
}

interface GivenItem {
  readonly status?: unknown;
  readonly error?: unknown;
  readonly failure_store?: unknown;
}

const taken: Item = { kind: 'settled', rejected: null };

/** 201 is stored, and 409 was there already. */
function readItem({ status: given, error, failure_store }: GivenItem): Item {
  const status = typeof given === 'number' ? given : 0;
  if (failure_store === 'used')
    return { kind: 'settled', rejected: 'It is in the failure store, because the data stream does not take it.' };
  if (status === 201 || status === 409) return taken;
  const reason = `${status}${typeOf(error)} ${JSON.stringify(error ?? null).slice(0, 300)}`;
  if (status === 429 || status >= 500 || status === 0) return { kind: 'retry', code: String(status), reason };
  const isBlocked = blockedStatuses.has(status) || isAboutIndex(error);
  return isBlocked ? { kind: 'blocked', code: String(status), reason } : { kind: 'settled', rejected: reason };
}

/** In front of the answer, whose sentence may quote the event: the log has what is before a quote. */
function typeOf(error: unknown): string {
  const { type } = (error ?? {}) as { readonly type?: unknown };
  return typeof type === 'string' && /^\w{1,100}$/.test(type) ? ` ${type}` : '';
}

/** The key may not write, or the index is not there: a person must change something, and no event is to blame. */
const blockedStatuses = new Set([401, 403, 404]);

const typesAboutIndex = new Set([
  ...['validation_exception', 'index_closed_exception', 'invalid_index_name_exception', 'cluster_block_exception'],
]);
/** Sentences of `illegal_argument_exception`, which an event may be to blame for too. */
const sentencesAboutIndex = /maximum (normal |frozen )?shards open|^pipeline with id \[|^no write index is defined/;

/** With the status 400: the cluster has no room for a new index, or the index is closed. No event is to blame either. */
function isAboutIndex(error: unknown): boolean {
  const { type, reason } = (error ?? {}) as { readonly type?: unknown; readonly reason?: unknown };
  return typesAboutIndex.has(String(type)) || sentencesAboutIndex.test(String(reason));
}

/** A data stream accepts no document without a time. */
function withTimestamp({ line, occurredAt }: Row): string {
  return line.startsWith('{"@timestamp":') ? line : `{"@timestamp":"${occurredAt}",${line.slice(1)}`;
}
