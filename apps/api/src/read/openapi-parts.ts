import type { ZodOpenApiOperationObject, ZodOpenApiParameterObject, ZodOpenApiResponseObject } from 'zod-openapi';

/** What every route that reads has besides its own. */
export const reading = {
  tags: ['Read'],
  security: [{ key: ['read'] }],
} as const satisfies Partial<ZodOpenApiOperationObject>;

/** Places in values are parameters with names of the caller's own. */
export const valueParameters = {
  name: 'values',
  in: 'query',
  style: 'form',
  explode: true,
  description:
    'Places in values, 20 at most: `updated_values.max_budget=25`, `before_value.limits.rpm.0=10`, `context.ip=192.0.2.7`. ' +
    'Each is a parameter with a name of its own; there is none named `values`. `\\.` is a dot within a name. A text is given as ' +
    'it is, anything else as JSON.',
  schema: {
    type: 'object',
    propertyNames: { pattern: '^(before_value|updated_values|context)\\..' },
    additionalProperties: { type: 'string' },
  },
  examples: { none: { value: {} }, budget: { value: { 'updated_values.max_budget': '25' } } },
} as const satisfies ZodOpenApiParameterObject;

/** Who must see its own write asks the primary. */
export const prefer = {
  name: 'Prefer',
  in: 'header',
  description:
    '`read-primary` (RFC 7240): the answer holds all that was acknowledged before. Else a replica may answer.',
  schema: { type: 'string' },
} as const satisfies ZodOpenApiParameterObject;

/** Headers that say which server answered. */
export const readerHeaders = {
  'Preference-Applied': {
    description: 'Where `Prefer: read-primary` was asked for.',
    schema: { type: 'string', const: 'read-primary' },
  },
  'Auditbox-Replica-Lag-Ms': {
    description: 'Where a replica answered: how many milliseconds it was behind.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
} as const satisfies ZodOpenApiResponseObject['headers'];
