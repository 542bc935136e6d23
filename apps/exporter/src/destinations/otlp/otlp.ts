import { counted } from '@auditbox/core/text/counted.ts';
import type { DeliveryRequest, Destination, Finding, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { baseUrl, headersOption, requestLimits, tlsOptions } from '../configured/options.ts';
import { classifyAnswer, describeAnswer } from '../http/classify-answer.ts';
import { createHttpClient, type HttpAnswer } from '../http/http-client.ts';
import { isFromReceiver, jsonAnswer } from '../http/json-answer.ts';
import { refuseBadRows } from '../http/refuse-bad-rows.ts';
import { createTlsFiles } from '../tls/tls-files.ts';

const options = z.strictObject({
  /** Of the collector, with or without /v1/logs. */
  url: baseUrl,
  headers: headersOption,
  service: z.string().min(1).default('auditbox'),
  ...tlsOptions,
  ...requestLimits,
});

const usualBytes = 2_000_000;

/** OpenTelemetry logs over HTTP, in JSON. */
export const otlp: DestinationType<typeof options> = {
  options,
  secrets: ['headers'],
  create({ url, headers, service, maxRows, maxBytes, ...tls }, { env, log }): Destination {
    const endpoint = `${url.replace(/(\/v1\/logs)?\/*$/, '')}/v1/logs`;
    const client = createHttpClient({ tls: createTlsFiles(tls, log), env });
    const resource = `{"attributes":[${attribute('service.name', service)}]}`;
    const head = `{"resourceLogs":[{"resource":${resource},"scopeLogs":[{"scope":{"name":"auditbox"},"logRecords":[`;
    const tail = ']}]}]}';
    const envelopeBytes = Buffer.byteLength(head) + tail.length;
    const sent = { url: endpoint, headers: { ...headers, 'content-type': 'application/json' } };
    let warning = '';
    /** A collector may take everything and warn. Each warning is logged once, until another one comes. */
    const warn = (message: string) => {
      if (message !== '' && message !== warning) log('warn', `The collector took all records and said: ${message}`);
      warning = message;
    };
    return {
      limits: {
        maxRows: maxRows ?? 1_000,
        maxBytes: Math.max(1, (maxBytes ?? usualBytes) - envelopeBytes),
        maxRowBytes: Math.max(1, usualBytes - envelopeBytes),
        rowBytes: (row) => Buffer.byteLength(logRecord(row)) + 1,
      },
      async deliver({ rows }: DeliveryRequest, signal): Promise<Outcome> {
        const body = `${head}${rows.map(logRecord).join(',')}${tail}`;
        const answer = await client.send({ ...sent, body }, signal);
        const outcome = classifyOtlpAnswer(answer, rows.length);
        if (outcome.kind === 'taken') warn(readPartialSuccess(answer).message);
        return outcome;
      },
      /** No records store nothing, and show whether the headers are accepted. A collector may refuse them as empty. */
      async check(signal): Promise<readonly Finding[]> {
        const answer = await client.send({ ...sent, body: '{"resourceLogs":[]}' }, signal);
        const works = answer.status === 400 || classifyOtlpAnswer(answer, 1).kind === 'taken';
        return works ? [] : [{ says: describeAnswer(answer.status, answer.text), stopsDelivery: true }];
      },
      close: async () => client.close(),
    };
  },
};

/**
 * What an answer means by the protocol: only 429, 502, 503 and 504 are retried. After a partial success nothing is sent
 * again, and the receiver does not say which records it rejected. So all rows of the request are kept with what it said.
 */
function classifyOtlpAnswer(answer: HttpAnswer, rows: number): Outcome {
  if (answer.status === 400) return refuseBadRows(rows, describeAnswer(400, answer.text));
  const outcome = classifyAnswer(answer, { blocked: [408, 425, 500] });
  if (outcome.kind !== 'taken') return outcome;
  if (!isFromReceiver(answer))
    return { kind: 'retry', code: 'NoCollector', reason: 'The answer did not come from an OpenTelemetry collector.' };
  const { rejected, message } = readPartialSuccess(answer);
  if (rejected === 0) return outcome;
  const reason = `The receiver rejected ${rejected} of ${counted(rows, 'record')} of a request and did not say which: ${message}`;
  return { kind: 'taken-but', rejected: Array.from({ length: rows }, (_, index) => ({ index, reason })) };
}

/** Names may be written in both ways of JSON for protocol buffers, and a number of 64 bits as a text. */
function readPartialSuccess(answer: HttpAnswer): { readonly rejected: number; readonly message: string } {
  const said = jsonAnswer(answer) ?? {};
  const partial = (said.partialSuccess ?? said.partial_success ?? {}) as Readonly<Record<string, unknown>>;
  const rejected = Number(partial.rejectedLogRecords ?? partial.rejected_log_records ?? 0);
  const message = partial.errorMessage ?? partial.error_message ?? '';
  return { rejected: rejected > 0 ? rejected : 0, message: typeof message === 'string' ? message : '' };
}

function logRecord({ id, occurredAt, recordedAt, action, tableName, objectId, changedBy, line }: Row): string {
  const attributes = [
    attribute('log.record.uid', id),
    attribute('audit.action', action),
    attribute('audit.object.type', tableName),
    attribute('audit.object.id', objectId),
    attribute('audit.actor.id', changedBy),
  ];
  return (
    `{"timeUnixNano":"${unixNano(occurredAt)}","observedTimeUnixNano":"${unixNano(recordedAt)}","severityNumber":9,` +
    `"severityText":"INFO","eventName":"auditbox.audit","body":{"stringValue":${JSON.stringify(line)}},` +
    `"attributes":[${attributes.join(',')}]}`
  );
}

function attribute(key: string, value: string): string {
  return `{"key":"${key}","value":{"stringValue":${JSON.stringify(value)}}}`;
}

/** 64-bit integers are decimal text. */
function unixNano(time: string): string {
  return `${Math.floor(Date.parse(time) / 1_000)}${time.slice(20, 26)}000`;
}
