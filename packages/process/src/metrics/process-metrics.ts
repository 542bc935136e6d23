import { readFileSync } from 'node:fs';
import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';

/**
 * What any process says of itself: processor, memory, garbage collection and event loop delay under the names that other
 * Node processes use (`process_*`, `nodejs_*`), and which build it is.
 */
export function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'auditbox_build_info',
    help: 'Always 1; its labels say which version of Auditbox and of Node runs.',
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
