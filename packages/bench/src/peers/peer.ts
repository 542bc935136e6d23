/** What somebody would otherwise put together to get audit events from Postgres to S3, in objects of 1,000. */
export interface DrainPeer {
  /** As the tables of figures show it. */
  readonly name: string;
  /** Makes the peer's own tables in an empty database and fills them with `rows` events of the workload, all pending. */
  prefill(databaseUrl: string, rows: number): Promise<void>;
  /**
   * The exporter: a program that takes DATABASE_URL, S3_ENDPOINT and S3_BUCKET from the environment, prints the line
   * `ready` when it begins to take rows, and works until it gets SIGTERM.
   */
  readonly program: URL;
  /** More of its environment. */
  readonly settings?: Readonly<Record<string, string>>;
}
