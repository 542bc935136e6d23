import { Gauge, type Registry } from 'prom-client';

interface Pool {
  readonly statements: number;
  readonly maxConnections: number;
}

/** How busy a process's connections to the database are. Read when asked for. */
export function addDatabaseUse(registry: Registry, pool: Pool): void {
  new Gauge({
    name: 'auditbox_database_statements',
    help: 'Statements that are not answered yet. More than auditbox_database_connections_max wait in line.',
    registers: [registry],
    collect() {
      this.set(pool.statements);
    },
  });
  new Gauge({
    name: 'auditbox_database_connections_max',
    help: 'Most connections that this process opens for its work.',
    registers: [registry],
  }).set(pool.maxConnections);
}
