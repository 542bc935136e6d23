import { Gauge, type Registry } from 'prom-client';

interface Pool {
  readonly statements: number;
  readonly maxConnections: number;
}

/** Gauges of the process's connections to the database, read at each scrape. */
export function addDatabaseUse(registry: Registry, pool: Pool): void {
  new Gauge({
    name: 'auditbox_database_statements',
    help: 'Statements without an answer so far. Those above auditbox_database_connections_max wait for a connection.',
    registers: [registry],
    collect() {
      this.set(pool.statements);
    },
  });
  new Gauge({
    name: 'auditbox_database_connections_max',
    help: 'The largest number of connections that this process opens for its work.',
    registers: [registry],
  }).set(pool.maxConnections);
}
