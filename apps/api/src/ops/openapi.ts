import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { refusing } from '../http/openapi/refusals.ts';

const health = { tags: ['Health'], security: [] };
const words = { 'text/plain': { schema: { type: 'string' } } } as const;

/** The routes for whoever watches the process. */
export const healthPaths: ZodOpenApiPathsObject = {
  '/livez': {
    get: {
      ...health,
      operationId: 'isAlive',
      summary: 'Whether the process turns',
      responses: { 200: { description: 'It does.', content: words } },
    },
  },
  '/readyz': {
    get: {
      ...health,
      operationId: 'isReady',
      summary: 'Whether requests can be served now',
      responses: { 200: { description: 'They can; a second line is a warning.', content: words }, ...refusing(503) },
    },
  },
  '/metrics': {
    get: {
      ...health,
      security: [{}, { metricsToken: [] }],
      operationId: 'metrics',
      summary: "All metrics in Prometheus's text format",
      responses: { 200: { description: 'The metrics.', content: words }, ...refusing(401) },
    },
  },
};
