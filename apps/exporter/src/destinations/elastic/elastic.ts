import type {
  DeliveryRequest,
  Destination,
  Finding,
  Outcome,
  RejectedRow,
  Row,
} from '@auditbox/destination-kit/destination.ts';
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
  index: z.string().regex(/^[a-z0-9][a-z0-9._{}-]*$/),
  apiKey: headerSecret.optional(),
  headers: headersOption,
  ...tlsOptions,
  ...requestLimits,
});

/** Without it, the answer to 5,000 events is longer than what is read of an answer. */
const wantedOfItems = 'filter_path=items.*.status,items.*.error';

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
    return {
      limits: {
        maxRows: maxRows ?? 5_000,
        maxBytes: maxBytes ?? usualBytes,
        maxRowBytes: mostRowBytes,
        rowBytes: (row) => Buffer.byteLength(write(row)),
      },
      async deliver({ rows }: DeliveryRequest, signal): Promise<Outcome> {
        const sent = { url: `${url}/_bulk?${wantedOfItems}`, headers, body: rows.map(write).join('') };
        return classifyBulkAnswer(await client.send(sent, signal), rows.length);
      },
      async check(signal): Promise<readonly Finding[]> {
        const answer = await client.send({ method: 'GET', url: `${url}/`, headers }, signal);
        return answer.status === 200 ? [] : [{ says: describeAnswer(answer.status, answer.text), stopsDelivery: true }];
      },
      close: async () => client.close(),
    };
  },
};

/** The key may not write, or the index is not there: a person must change something, and no event is to blame. */
const blockedStatuses = new Set([401, 403, 404]);

/**
 * What an answer to `_bulk` means: 200 alone means nothing. 201 is stored, 409 was there already. If one item failed for now,
 * the whole request is sent again, which is harmless because of the ids. One that a person must see to blocks. Any other item is rejected.
 */
function classifyBulkAnswer(answer: HttpAnswer, rows: number): Outcome {
  const outcome = classifyAnswer(answer);
  if (outcome.kind !== 'taken') return outcome;
  // The errors of many events. Halves have shorter answers, and an event that is there already changes nothing.
  if (answer.isCut && rows > 1) return { kind: 'too-large' };
  const items = jsonAnswer(answer)?.items;
  if (!Array.isArray(items) || items.length !== rows)
    return { kind: 'retry', code: 'NoItems', reason: 'The answer has no result for each event.' };
  const rejected: RejectedRow[] = [];
  for (const [index, item] of items.entries()) {
    const { status: given, error } = (item as { create?: { status?: unknown; error?: unknown } } | null)?.create ?? {};
    const status = typeof given === 'number' ? given : 0;
    if (status === 201 || status === 409) continue;
    const reason = `${status} ${JSON.stringify(error ?? null).slice(0, 300)}`;
    if (status === 429 || status >= 500 || status === 0) return { kind: 'retry', code: String(status), reason };
    if (blockedStatuses.has(status)) return { kind: 'blocked', code: String(status), reason };
    rejected.push({ index, reason });
  }
  return rejected.length === 0 ? outcome : { kind: 'taken-but', rejected };
}

/** A data stream accepts no document without a time. */
function withTimestamp({ line, occurredAt }: Row): string {
  return line.startsWith('{"@timestamp":') ? line : `{"@timestamp":"${occurredAt}",${line.slice(1)}`;
}
