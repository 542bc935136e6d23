import type { Redactor } from '@auditbox/core/redact/redact-event.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import type { ContentHasher } from '@auditbox/db/events/content-hash.ts';
import type { MonthMaker } from '@auditbox/db/months/month-maker.ts';
import type { Scrape } from '@auditbox/process/metrics/scrape.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import type { BytesInFlight } from './http/bytes-in-flight.ts';
import type { Denials } from './http/denials.ts';
import type { KeyLimits } from './http/rate-limits.ts';
import type { KeyUses } from './keys/key-use.ts';
import type { KnownKeys } from './keys/known-keys.ts';
import type { ApiLog } from './log.ts';
import type { ApiMetrics } from './metrics/api-metrics.ts';
import type { TokenCallers } from './oidc/token-callers.ts';
import type { Readers } from './read/readers.ts';
import type { ApiSettings } from './settings.ts';
import type { Coalescer } from './write/coalescer.ts';

/** The parts of a running api that routes use. */
export interface ApiParts {
  readonly settings: ApiSettings;
  readonly log: ApiLog;
  readonly metrics: ApiMetrics;
  readonly scrape: Scrape;
  /** Null: no traces. */
  readonly tracing: Tracing | null;
  /** For batches and health checks. */
  readonly db: Database;
  /** For keys: their look-ups must not wait for writes, and writes must not wait for them. */
  readonly keysDb: Database;
  readonly knownKeys: KnownKeys;
  /** Null: only keys are valid. */
  readonly tokenCallers: TokenCallers | null;
  readonly keyUses: KeyUses;
  readonly denials: Denials;
  /** Hashes what callers send. Throws DatabaseError until its key was read. */
  readonly contentHasher: () => Promise<ContentHasher>;
  /** Null: secrets are stored as they are sent. */
  readonly redactor: Redactor | null;
  /** Makes months that events need, on its own connection: writes into existing months do not wait for it. */
  readonly months: MonthMaker;
  /** For reads of events: a slow read must not make a write wait. */
  readonly readers: Readers;
  readonly bytesInFlight: BytesInFlight;
  readonly keyLimits: KeyLimits;
  /** For single events. */
  readonly coalescer: Coalescer;
}
