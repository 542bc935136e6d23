/** How long connections may take, and how many there may be. Times are in milliseconds. */
export interface ConnectionLimits {
  readonly max: number;
  readonly headersMs: number;
  readonly requestMs: number;
  readonly stallMs: number;
  readonly keepAliveMs: number;
}

/** Bounds of the memory that bodies and answers hold at one moment. */
export interface FlightLimits {
  readonly totalBytes: number;
  readonly bytesPerKey: number;
}

/** What may happen in a minute. 0 has no limit. */
export interface RateLimits {
  /** Requests without a valid key, for each address. */
  readonly failedKeys: number;
  /** The others are for each key. */
  readonly requests: number;
  readonly events: number;
  readonly bytes: number;
}

/** Paths of files in PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
}
