import { type Actions, eventSchema } from '@auditbox/core/event/event-schema.ts';
import { createDocument, type ZodOpenApiObject, type ZodOpenApiOverride } from 'zod-openapi';
import { healthPaths } from '../../ops/openapi.ts';
import { listPaths } from '../../read/openapi-lists.ts';
import { lookPaths } from '../../read/openapi-looks.ts';
import { writePaths } from '../../write/openapi.ts';

const description = `A durable audit log: who changed what, when.

Every route under \`/audit\` needs a key, \`Authorization: Bearer KEY\`. A key has scopes: \`write\` records events, \`read\` asks for
them. Errors are problem documents (RFC 9457) with a list of all that is wrong.

Values are JSON, kept as it is written: every digit, the order of keys, nulls. A parser that reads numbers as doubles may lose digits.`;

/** The OpenAPI document (https://spec.openapis.org/oas/v3.1.1) of an api that takes these actions. */
export function apiDocument(actions: Actions): ReturnType<typeof createDocument> {
  const newAuditEvent = eventSchema(actions).meta({ id: 'NewAuditEvent' });
  const listed = actions === 'any' ? [] : actions;
  const { '/audit': list, ...lists } = listPaths(listed);
  const { '/audit': write, ...writes } = writePaths(actions, newAuditEvent);
  const document: ZodOpenApiObject = {
    openapi: '3.1.1',
    info: { title: 'Auditbox', version: '1', description, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Write', description: 'Needs a key with the scope `write`.' },
      { name: 'Read', description: 'Needs a key with the scope `read`.' },
      { name: 'Health', description: 'Needs no key; the metrics need `METRICS_TOKEN` where that is set.' },
    ],
    components: {
      securitySchemes: {
        key: {
          type: 'http',
          scheme: 'bearer',
          description: 'Made with `npm run keys`, with the scopes `read`, `write` or both.',
        },
        metricsToken: { type: 'http', scheme: 'bearer', description: 'The setting `METRICS_TOKEN`.' },
      },
    },
    paths: { '/audit': { ...write, ...list }, ...writes, ...lists, ...lookPaths(listed), ...healthPaths },
  };
  return createDocument(document, { override: dropNoise });
}

/** Patterns that say less clearly what a format says, and bounds of every safe integer. */
const dropNoise: ZodOpenApiOverride = ({ jsonSchema }) => {
  if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
  if (jsonSchema.type !== 'integer') return;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
};
