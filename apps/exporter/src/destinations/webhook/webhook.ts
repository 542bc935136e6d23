import type { DeliveryRequest, Destination, Outcome } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { destinationUrl, headersOption, requestLimits, tlsOptions } from '../configured/options.ts';
import { checkByHead } from '../http/check-by-head.ts';
import { classifyAnswer, describeAnswer } from '../http/classify-answer.ts';
import { encodeTexts } from '../http/encode-texts.ts';
import { createHttpClient } from '../http/http-client.ts';
import { refuseBadRows } from '../http/refuse-bad-rows.ts';
import { createTlsFiles } from '../tls/tls-files.ts';
import { bodyNames, createBody } from './bodies.ts';
import { createWebhookSigner } from './sign.ts';

/** RFC 3986 has no blank and no letter outside of ASCII. */
const uriReference = /^(?:[\w.~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/;

const options = z.strictObject({
  url: destinationUrl,
  /** The newest first. A receiver accepts the signature of any. */
  secrets: z.array(z.string().min(1, 'must not be empty')).min(1).max(4).superRefine(refineSecrets),
  body: z.enum(bodyNames).default('event'),
  headers: headersOption,
  /** The `source` of CloudEvents. */
  source: z
    .string()
    .regex(uriReference, 'must be a URI reference, such as auditbox or https://audit.example')
    .default('auditbox'),
  ...tlsOptions,
  ...requestLimits,
});

/** An event may be as large as the api accepts. A receiver that accepts less answers 413. */
const mostBytes = 64 * 1024 * 1024;
const usualBytes = 1_000_000;

/** Posts events, signed as Standard Webhooks 1.0.0 prescribes. */
export const webhook: DestinationType<typeof options> = {
  options,
  secrets: ['secrets', 'headers'],
  create({ url, secrets, body: bodyName, headers, source, maxRows, maxBytes, ...tls }, { env, log }): Destination {
    const sign = createWebhookSigner(secrets);
    const body = createBody(bodyName, source);
    const client = createHttpClient({ tls: createTlsFiles(tls, log), env });

    async function deliver({ key, rows }: DeliveryRequest, signal: AbortSignal): Promise<Outcome> {
      const bytes = encodeTexts(body.write(rows));
      const timestamp = Math.floor(Date.now() / 1_000);
      const answer = await client.send(
        {
          url,
          headers: {
            'user-agent': 'auditbox',
            ...headers,
            'content-type': body.contentType,
            'webhook-id': key,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': sign(key, timestamp, bytes),
          },
          body: bytes,
        },
        signal,
      );
      // Unprocessable: a row is bad, not the destination. Halves find out which one.
      if (answer.status === 422) return refuseBadRows(rows.length, describeAnswer(422, answer.text));
      return classifyAnswer(answer);
    }

    return {
      limits: {
        maxRows: Math.min(maxRows ?? body.maxRows, bodyName === 'event' ? 1 : Number.POSITIVE_INFINITY),
        maxBytes: (maxBytes ?? usualBytes) - body.envelopeBytes,
        maxRowBytes: mostBytes,
        rowBytes: (row) => Buffer.byteLength(row.line) + body.extraBytes(row),
      },
      deliver,
      check: (signal) => checkByHead(client, url, signal),
      close: async () => client.close(),
    };
  },
};

function refineSecrets(secrets: readonly string[], context: z.RefinementCtx): void {
  try {
    createWebhookSigner(secrets);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
}
