import { Gauge, Registry } from 'prom-client';
import type { Gate } from './gate.ts';

/** What an exporter tells Prometheus. Read when asked for, so nothing is kept up to date in between. */
export function createMetrics(gate: Gate): Registry {
  const registry = new Registry();
  new Gauge({
    name: 'auditbox_export_blocked',
    help: '1 while the destination refuses everything until a person mends it (credentials, bucket, KMS key), else 0.',
    registers: [registry],
    collect() {
      this.set(gate.blockedReason === null ? 0 : 1);
    },
  });
  new Gauge({
    name: 'auditbox_export_refused_seconds',
    help: 'How long the destination has taken nothing, for whatever reason; 0 while it takes objects.',
    registers: [registry],
    collect() {
      this.set(gate.closedForMs / 1000);
    },
  });
  return registry;
}
