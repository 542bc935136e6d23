/** What a load generator is to do. */
export interface LoadPlan {
  readonly port: number;
  readonly key: string;
  readonly path: '/audit' | '/audit/batch';
  /** Of each request; more than one makes a batch. */
  readonly eventsPerRequest: number;
  readonly connections: number;
  /** Requests a second whatever the answers; null sends the next one when the last is answered. */
  readonly requestsPerSecond: number | null;
  /** Answered, but not counted in the figures. */
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** What came of it. */
export interface LoadResult {
  /** Events acknowledged from first to last, warm-up included: what the database must hold. */
  readonly acknowledged: number;
  /** Answers that were no 2xx, by status. */
  readonly refused: Readonly<Record<string, number>>;
  /** Of the measured part. */
  readonly eventsPerSecond: number;
  readonly requestMs: { readonly p50: number; readonly p99: number };
  /** Share of one core that the generator itself took. */
  readonly ownCores: number;
}
