/** Settings of the exporters: short, so that thousands of faults take an hour, or all defaults, to measure recovery. */
export type Pace = 'quick' | 'default';

/** What `quick` sets; `default` sets nothing. */
export const quickSettings = {
  EXPORT_LEASE_MS: '1000',
  S3_REQUEST_TIMEOUT_MS: '500',
  EXPORT_LINGER_MS: '100',
  EXPORT_POLL_INTERVAL_MS: '100',
  EXPORT_BATCH_MAX_ROWS: '20',
  EXPORT_CONCURRENCY: '2',
  EXPORT_RETRY_CAP_MS: '500',
} as const;

/** How long a round may take to come to rest before something counts as stuck. */
export const patienceMs = { quick: 120_000, default: 300_000 } as const;
