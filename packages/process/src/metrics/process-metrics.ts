import { readFileSync } from 'node:fs';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/**
 * Processor, memory, garbage collection and event loop delay, under the names of prom-client (`process_*`, `nodejs_*`),
 * which common dashboards expect; and the version of the build.
 */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'auditbox_build_info',
    help: 'Always 1. Its labels are the versions of Auditbox and of Node.',
    labelNames: ['version', 'node'],
    registers: [registry],
  })
    .labels(auditboxVersion(), process.versions.node)
    .set(1);
}

function auditboxVersion(): string {
  const manifest = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
