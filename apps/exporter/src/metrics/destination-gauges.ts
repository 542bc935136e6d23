import { Gauge, type Registry } from 'prom-client';
import type { Gate } from '../export/destination-gate.ts';

/** What the gate knows of the destination. Read when asked for, so nothing is kept up to date in between. */
export function addDestinationGauges(registry: Registry, gate: Gate): void {
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  gauge(
    'auditbox_export_blocked',
    '1 while the destination refuses everything until a person mends it (credentials, bucket, KMS key), else 0.',
    () => (gate.blockedReason === null ? 0 : 1),
  );
  gauge(
    'auditbox_export_blocked_seconds',
    'How long it has been blocked; 0 while it is not.',
    () => gate.blockedForMs / 1000,
  );
  gauge(
    'auditbox_export_refused_seconds',
    'How long the destination has taken nothing, for whatever reason; 0 while it takes objects.',
    () => gate.closedForMs / 1000,
  );
}
