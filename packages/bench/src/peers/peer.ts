/** An alternative to Auditbox that exports audit events from Postgres to S3 in objects of 1,000. */
export interface DrainPeer {
  /** Name in the tables of figures. */
  readonly name: string;
  /** Creates the peer's tables in an empty database and fills them with `rows` pending events of the workload. */
  prefill(databaseUrl: string, rows: number): Promise<void>;
  /**
   * The exporter. It reads DATABASE_URL, S3_ENDPOINT and S3_BUCKET from the environment, prints the line `ready` before it
   * exports the first row, and runs until SIGTERM.
   */
  readonly program: URL;
  /** Additional environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Name of the jobs that carry one audit event each. */
export const jobName = 'export_event';
