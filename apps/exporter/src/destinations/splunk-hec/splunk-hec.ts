import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeliveryRequest, Destination, Finding, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { baseUrl, headerSecret, requestLimits, tlsOptions } from '../configured/options.ts';
import { classifyAnswer, describeAnswer } from '../http/classify-answer.ts';
import { encodeTexts } from '../http/encode-texts.ts';
import { createHttpClient, type HttpAnswer } from '../http/http-client.ts';
import { isFromReceiver, jsonAnswer } from '../http/json-answer.ts';
import { refuseBadRows } from '../http/refuse-bad-rows.ts';
import { createTlsFiles } from '../tls/tls-files.ts';

const options = z.strictObject({
  /** Without a path, or LogScale's whole endpoint. */
  url: baseUrl,
  token: headerSecret,
  index: z.string().min(1).optional(),
  source: z.string().min(1).default('auditbox'),
  sourcetype: z.string().min(1).optional(),
  host: z.string().min(1).optional(),
  /** Whether the token has indexer acknowledgement. An event counts only once it is indexed. Splunk Enterprise alone has it. */
  ack: z.boolean().default(false),
  ackPollMs: z.int().min(10).max(60_000).default(10_000),
  ...tlsOptions,
  ...requestLimits,
});

/**
 * LogScale documents this path and `Bearer`. It does not document what it answers to success, has no acknowledgement, and takes
 * `sourcetype` as the name of a parser. It advises 5,000 events at most in a request.
 */
const logScalePath = /\/api\/v1\/ingest\/hec$/;
const logScaleRows = 5_000;

/** What other senders use. Splunk's limit is higher and can be changed. */
const usualBytes = 1_000_000;

/** Codes of the collector for a bad event. Most collectors name it by `invalid-event-number`. */
const eventCodes = new Set([6, 12, 13]);

/** Splunk's HTTP Event Collector, and what speaks like it: Falcon LogScale, Cribl, Vector, Fluent Bit. */
export const splunkHec: DestinationType<typeof options> = {
  options,
  secrets: ['token'],
  create({ url, token, ack, ackPollMs, maxRows, maxBytes, ca, cert, key, ...meta }, { env, log }): Destination {
    const isLogScale = logScalePath.test(url);
    if (isLogScale && ack) throw new Error('LogScale has no indexer acknowledgement. Set "ack": false.');
    const endpoint = isLogScale ? url : `${url}/services/collector/event`;
    const { index, source, sourcetype = isLogScale ? undefined : 'auditbox', host } = meta;
    const client = createHttpClient({ tls: createTlsFiles({ ca, cert, key }, log), env });
    // Two processes on one channel would take each other's acknowledgements.
    const channel = randomUUID();
    const scheme = isLogScale ? 'Bearer' : 'Splunk';
    const headers = { authorization: `${scheme} ${token}`, ...(ack && { 'x-splunk-request-channel': channel }) };
    const fixed = JSON.stringify({ index, source, sourcetype, host }).slice(1, -1);
    const epochSeconds = createEpochSeconds();
    const head = ({ id, occurredAt }: Row) =>
      `{"time":${epochSeconds(occurredAt)},${fixed},"fields":{"id":"${id}"},"event":`;
    const tail = '}\n';
    const fixedBytes = Buffer.byteLength(fixed) - fixed.length;

    async function waitForAck(ackId: unknown, signal: AbortSignal): Promise<Outcome> {
      if (typeof ackId !== 'number')
        return {
          kind: 'blocked',
          code: 'NoAck',
          reason: 'The token has no indexer acknowledgement. Set "ack": false.',
        };
      const polled = `${url}/services/collector/ack?channel=${channel}`;
      const body = JSON.stringify({ acks: [ackId] });
      for (;;) {
        await sleep(ackPollMs, undefined, { signal });
        const answer = await client.send({ url: polled, headers, body }, signal);
        if (answer.status !== 200) return classifyAnswer(answer);
        const acks = jsonAnswer(answer)?.acks as Readonly<Record<string, unknown>> | undefined;
        if (acks?.[String(ackId)] === true) return { kind: 'taken' };
      }
    }

    return {
      limits: {
        maxRows: maxRows ?? (isLogScale ? logScaleRows : 10_000),
        maxBytes: maxBytes ?? usualBytes,
        maxRowBytes: usualBytes,
        // All of the head but the fixed part is ASCII.
        rowBytes: (row) => head(row).length + fixedBytes + Buffer.byteLength(row.line) + tail.length,
      },
      async deliver({ rows }: DeliveryRequest, signal): Promise<Outcome> {
        const body = encodeTexts(rows.flatMap((row) => [head(row), row.line, tail]));
        const answer = await client.send({ url: endpoint, headers, body }, signal);
        const outcome = classifyHecAnswer(answer, rows.length, isLogScale);
        return outcome.kind === 'taken' && ack ? waitForAck(jsonAnswer(answer)?.ackId, signal) : outcome;
      },
      /** The collector answers code 5, no data, to a valid token. LogScale may answer 200 or any 400 to no data. */
      async check(signal): Promise<readonly Finding[]> {
        const answer = await client.send({ url: endpoint, headers }, signal);
        if (answer.status === 400 && (isLogScale || jsonAnswer(answer)?.code === 5)) return [];
        if (isLogScale && classifyHecAnswer(answer, 1, isLogScale).kind === 'taken') return [];
        return [{ says: describeAnswer(answer.status, answer.text), stopsDelivery: true }];
      },
      close: async () => client.close(),
    };
  },
};

/** What an answer of the collector means. A 2xx is its answer only if it says so: a login page and a proxy answer with one too. */
function classifyHecAnswer(answer: HttpAnswer, rows: number, isLogScale: boolean): Outcome {
  const said = jsonAnswer(answer);
  const isUndocumented = isLogScale && answer.status === 200 && said?.code === undefined && isFromReceiver(answer);
  if (answer.status >= 200 && answer.status < 300)
    return said?.code === 0 || isUndocumented
      ? { kind: 'taken' }
      : { kind: 'retry', code: 'NoCollector', reason: 'The answer did not come from an HTTP Event Collector.' };
  if (answer.status !== 400 || !eventCodes.has(Number(said?.code))) return classifyAnswer(answer);
  const index = said?.['invalid-event-number'];
  const reason = describeAnswer(answer.status, answer.text);
  const isRow = typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < rows;
  return isRow ? { kind: 'refused', rejected: [{ index, reason }] } : refuseBadRows(rows, reason);
}

/**
 * Seconds since 1970 with six decimals. A number of JavaScript would lose the last one. Rows come in the order of event time, so a second is
 * parsed once for all of its rows.
 */
function createEpochSeconds(): (occurredAt: string) => string {
  let second = '';
  let parsed = 0;
  return (occurredAt) => {
    const of = occurredAt.slice(0, 19);
    if (of !== second) {
      parsed = Math.floor(Date.parse(`${of}Z`) / 1_000);
      second = of;
    }
    return `${parsed}.${occurredAt.slice(20, 26)}`;
  };
}
