/**
 * Where events are delivered by requests. Auditbox cuts each batch into requests, sends them in order, and keeps how far it
 * is. It delivers each request at least once.
 */
export interface Destination {
  /** The largest request that the receiver accepts. Auditbox cuts by it. */
  readonly limits: DestinationLimits;
  /**
   * Sends one request. Resolves when the receiver has it, or to why not. A thrown error counts as `retry`.
   *
   * The same key always comes with the same rows and lines, after a crash and a replay too. Two calls with one key never
   * overlap. `signal` is aborted at the time-out and when the process stops.
   */
  deliver(request: DeliveryRequest, signal: AbortSignal): Promise<Outcome>;
  /** What is wrong, in sentences; empty when everything works. Sends nothing that counts, or one row that is marked as a test. */
  check(signal: AbortSignal): Promise<readonly Finding[]>;
  /** Frees connections. No `deliver` runs any more. */
  close(): Promise<void>;
}

/** Limits of one request. Each of them is 1 or more. */
export interface DestinationLimits {
  readonly maxRows: number;
  /** Of all rows together, as `rowBytes` counts them. A request of one row may have more, up to `maxRowBytes`. */
  readonly maxBytes: number;
  /** A larger row is rejected and kept with the reason. */
  readonly maxRowBytes: number;
  /** The receiver accepts no older event. Older rows are rejected and kept with the reason. */
  readonly maxAgeMs?: number;
  /** What a row adds to a request. Without it, the bytes of its line and one more. */
  readonly rowBytes?: (row: Row) => number;
}

/** One request. */
export interface DeliveryRequest {
  /**
   * `<destination>/<batch>-<seal>/<first row>`, behind `<cell>/` where there are cells: at most 122 characters, without a full stop. The
   * seal differs for batches of one number that were sealed before and after the database was restored. Behind the first row, a part of a
   * request has `-` and a name of its rows: what is left of one that was too large, or of which rows were refused.
   */
  readonly key: string;
  readonly batch: string;
  /** At least one, sorted by event time and id. */
  readonly rows: readonly Row[];
}

/** An event. All times are RFC 3339 in UTC with six fraction digits. */
export interface Row {
  readonly id: string;
  /** When it happened. File it under this time. */
  readonly occurredAt: string;
  /** When the database took it. */
  readonly recordedAt: string;
  readonly action: string;
  readonly tableName: string;
  readonly objectId: string;
  readonly changedBy: string;
  /** The event as JSON in the destination's format, without a line break. Numbers have all their digits. */
  readonly line: string;
}

/** How a request ended. No request is given up: `retry` and `blocked` are tried again until the receiver has it. */
export type Outcome =
  /** The receiver has all rows. */
  | { readonly kind: 'taken' }
  /** It has all rows except these, which it will never take. They are kept with the reason. */
  | { readonly kind: 'taken-but'; readonly rejected: readonly RejectedRow[] }
  /** It has no row, because it will never take these. The other rows are sent without them. */
  | { readonly kind: 'refused'; readonly rejected: readonly RejectedRow[] }
  /** The same request may succeed later, at the earliest after `afterMs`. */
  | { readonly kind: 'retry'; readonly code: string; readonly reason: string; readonly afterMs?: number }
  /** It refuses every request until a person changes something. One request at a time probes. */
  | { readonly kind: 'blocked'; readonly code: string; readonly reason: string }
  /** The request is too large. It is sent in halves; a single row is rejected. */
  | { readonly kind: 'too-large' };

/** A row that a receiver will never take, by its index in the request. */
export interface RejectedRow {
  readonly index: number;
  readonly reason: string;
}

/** What a check found wrong. */
export interface Finding {
  /** A sentence or more: what is wrong and what to do. */
  readonly says: string;
  /** False for a warning. */
  readonly stopsDelivery: boolean;
}

/** What a destination may use of the process that runs it. */
export interface Tools {
  /** The name in the configuration. */
  readonly name: string;
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The default export of a module. `options` is what the configuration says. Throws when they are wrong. */
export type CreateDestination = (options: unknown, tools: Tools) => Destination | Promise<Destination>;
