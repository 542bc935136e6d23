import type { DeliveryRequest, Destination, Finding, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { baseUrl, headerSecret, requestLimits } from '../configured/options.ts';
import { classifyAnswer, describeAnswer } from '../http/classify-answer.ts';
import { createHttpClient } from '../http/http-client.ts';
import { isFromReceiver } from '../http/json-answer.ts';
import { refuseBadRows } from '../http/refuse-bad-rows.ts';

const sites = [
  ...[
    'datadoghq.com',
    'us3.datadoghq.com',
    'us5.datadoghq.com',
    'datadoghq.eu',
    'ap1.datadoghq.com',
    'ap2.datadoghq.com',
  ],
  ...['uk1.datadoghq.com', 'ddog-gov.com', 'us2.ddog-gov.com'],
] as const;

const options = z.strictObject({
  site: z.enum(sites).default('datadoghq.com'),
  apiKey: headerSecret,
  service: z.string().min(1).default('auditbox'),
  tags: z.array(z.string().min(1)).default([]),
  /** Of a proxy for logs, instead of the site. */
  url: baseUrl.optional(),
  ...requestLimits,
});

/** 5 MB uncompressed is the limit. */
const usualBytes = 4_250_000;

/** A longer entry is cut by Datadog and answered with success, so it is rejected here. */
const mostRowBytes = 1_000_000;

/** Datadog takes nothing older than 18 hours. Requests need time too. */
const maxAgeMs = 18 * 3_600_000 - 600_000;

/** Datadog's logs. It keeps doubles: search by `@id`. */
export const datadog: DestinationType<typeof options> = {
  options,
  secrets: ['apiKey'],
  create({ site, apiKey, service, tags, url, maxRows, maxBytes }, { env }): Destination {
    const endpoint = `${url ?? `https://http-intake.logs.${site}`}/api/v2/logs`;
    const client = createHttpClient({ env });
    const headers = { 'dd-api-key': apiKey, 'content-type': 'application/json' };
    const write = ({ id, occurredAt, action, tableName, objectId, changedBy, line }: Row) => {
      const message = `${changedBy} ${action} ${tableName} ${objectId}`;
      const about = { ddsource: 'auditbox', ddtags: tags.join(','), service, timestamp: occurredAt, id, message };
      return `${JSON.stringify(about).slice(0, -1)},"event":${line}}`;
    };
    return {
      limits: {
        maxRows: Math.min(maxRows ?? 1_000, 1_000),
        // An array has a byte more than a comma for each row.
        maxBytes: Math.min(maxBytes ?? usualBytes, usualBytes) - 1,
        maxRowBytes: mostRowBytes,
        maxAgeMs,
        rowBytes: (row) => Buffer.byteLength(write(row)) + 1,
      },
      async deliver({ rows }: DeliveryRequest, signal): Promise<Outcome> {
        const answer = await client.send({ url: endpoint, headers, body: `[${rows.map(write).join(',')}]` }, signal);
        if (answer.status === 400) return refuseBadRows(rows.length, describeAnswer(400, answer.text));
        const outcome = classifyAnswer(answer);
        if (outcome.kind === 'taken' && !isFromReceiver(answer))
          return { kind: 'retry', code: 'NoIntake', reason: 'The answer did not come from Datadog.' };
        return outcome;
      },
      /** An empty array stores nothing, and shows whether the key is accepted. */
      async check(signal): Promise<readonly Finding[]> {
        const { status, text } = await client.send({ url: endpoint, headers, body: '[]' }, signal);
        const isRefused = status === 401 || status === 403 || status >= 500;
        return isRefused ? [{ says: describeAnswer(status, text), stopsDelivery: true }] : [];
      },
      close: async () => client.close(),
    };
  },
};
