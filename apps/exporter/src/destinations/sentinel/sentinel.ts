import type { DeliveryRequest, Destination, Finding, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { baseUrl, requestLimits, secretText, tlsOptions } from '../configured/options.ts';
import { classifyAnswer, describeAnswer } from '../http/classify-answer.ts';
import { createHttpClient } from '../http/http-client.ts';
import { refuseBadRows } from '../http/refuse-bad-rows.ts';
import { createTlsFiles } from '../tls/tls-files.ts';
import { createEntraToken, TokenRefusedError } from './entra-token.ts';

const options = z.strictObject({
  /** Of the data collection rule, or of its endpoint. */
  url: baseUrl,
  /** The immutable id of the rule. */
  rule: z.string().regex(/^dcr-[0-9a-f]{32}$/, 'must be dcr- and 32 hexadecimal digits'),
  stream: z.string().regex(/^Custom-[\w-]{1,100}$/, 'must begin with Custom-'),
  tenantId: z.string().min(1),
  clientId: z.string().min(1),
  clientSecret: secretText,
  authority: baseUrl.default('https://login.microsoftonline.com'),
  scope: z.string().min(1).default('https://monitor.azure.com/.default'),
  ...tlsOptions,
  ...requestLimits,
});

/** A call is at most 1 MB, also before compression. Its rows have a byte less, because an array has one more than a comma for each row. */
const mostBytes = 1_000_000;
/** A longer text is cut and answered with success, so such a row is rejected here. */
const mostRowBytes = 64_000;

/** Microsoft Sentinel and Azure Monitor, by the Logs Ingestion API. It keeps doubles: search by `AuditId`. */
export const sentinel: DestinationType<typeof options> = {
  options,
  secrets: ['clientSecret'],
  create(
    { url, rule, stream, maxRows, maxBytes, tenantId, clientId, clientSecret, authority, scope, ...tls },
    { env, log },
  ) {
    const client = createHttpClient({ tls: createTlsFiles(tls, log), env });
    const token = createEntraToken(client, { authority, tenantId, clientId, clientSecret, scope });
    const endpoint = `${url}/dataCollectionRules/${rule}/streams/${stream}?api-version=2023-01-01`;

    async function post(body: string, signal: AbortSignal) {
      const send = async () => {
        const headers = { authorization: `Bearer ${await token.get(signal)}`, 'content-type': 'application/json' };
        return client.send({ url: endpoint, headers, body }, signal);
      };
      const answer = await send();
      if (answer.status !== 401) return answer;
      // The token may have been revoked before its end.
      token.forget();
      return send();
    }

    return {
      limits: {
        maxRows: maxRows ?? 1_000,
        maxBytes: Math.min(maxBytes ?? mostBytes, mostBytes) - 1,
        maxRowBytes: mostRowBytes,
        rowBytes: (row) => Buffer.byteLength(writeRow(row)) + 1,
      },
      async deliver({ rows }: DeliveryRequest, signal): Promise<Outcome> {
        const answer = await post(`[${rows.map(writeRow).join()}]`, signal).catch((error: unknown) => {
          if (error instanceof TokenRefusedError) return error;
          throw error;
        });
        if (answer instanceof TokenRefusedError) return { kind: 'blocked', code: answer.code, reason: answer.message };
        // 204 is the one success. Another 2xx comes from something in between.
        if (answer.status >= 200 && answer.status < 300 && answer.status !== 204)
          return {
            kind: 'retry',
            code: String(answer.status),
            reason: 'The answer did not come from the ingestion API.',
          };
        if (answer.status === 400) return refuseBadRows(rows.length, describeAnswer(400, answer.text));
        return classifyAnswer(answer);
      },
      async check(signal): Promise<readonly Finding[]> {
        await token.get(signal);
        return [];
      },
      close: async () => client.close(),
    } satisfies Destination;
  },
};

/** Columns that the stream does not declare are dropped in silence. `id` is a reserved name. */
function writeRow({ id, occurredAt, recordedAt, action, tableName, objectId, changedBy, line }: Row): string {
  return JSON.stringify({
    TimeGenerated: occurredAt,
    AuditId: id,
    // TimeGenerated becomes the time of arrival when it is too old.
    OccurredAt: occurredAt,
    RecordedAt: recordedAt,
    Action: action,
    TableName: tableName,
    ObjectId: objectId,
    ChangedBy: changedBy,
    Event: line,
  });
}
