/** Settings of the exporters: short times, so that thousands of faults take an hour; or defaults, to measure recovery. */
export type Pace = 'quick' | 'default';

/** Settings of `quick`. With `default` none are set. */
export const quickSettings = {
  EXPORT_LEASE_MS: '1000',
  S3_REQUEST_TIMEOUT_MS: '500',
  EXPORT_LINGER_MS: '100',
  EXPORT_POLL_INTERVAL_MS: '100',
  EXPORT_BATCH_MAX_ROWS: '20',
  EXPORT_CONCURRENCY: '2',
  EXPORT_RETRY_CAP_MS: '500',
} as const;

/**
 * Longest time until all events of a round are exported. After that the round counts as stuck. A machine that is busy with other
 * rounds needs a minute for a round of many kills.
 */
export const patienceMs = { quick: 300_000, default: 600_000 } as const;
