import type { Redactor } from '@auditbox/core/redact/redact-event.ts';
import type { ContentHasher } from '@auditbox/db/events/content-hash.ts';
import type { Scrape } from '@auditbox/process/metrics/scrape.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import type { ArchiveStore } from './archive/archive-store.ts';
import type { Cell } from './cells/cell.ts';
import type { BytesInFlight } from './http/bytes-in-flight.ts';
import type { Denials } from './http/denials.ts';
import type { KeyLimits } from './http/rate-limits.ts';
import type { KeyStore } from './keys/key-store.ts';
import type { KeyUses } from './keys/key-use.ts';
import type { KnownKeys } from './keys/known-keys.ts';
import type { ApiLog } from './log.ts';
import type { ApiMetrics } from './metrics/api-metrics.ts';
import type { TokenCallers } from './oidc/token-callers.ts';
import type { Sources } from './read/event-reads.ts';
import type { ApiSettings } from './settings.ts';
import type { Coalescer } from './write/coalescer.ts';
import type { EventStore } from './write/event-store.ts';

/** The parts of a running api that routes use. */
export interface ApiParts {
  readonly settings: ApiSettings;
  readonly log: ApiLog;
  readonly metrics: ApiMetrics;
  readonly scrape: Scrape;
  /** Null: no traces. */
  readonly tracing: Tracing | null;
  /** The databases: one, or several cells. For what is told of each by itself. */
  readonly cells: readonly [Cell, ...Cell[]];
  /** Whether requests can be served now. Resolves to a warning, or null. Throws why not. */
  readonly checkReady: () => Promise<string | null>;
  readonly keys: KeyStore;
  readonly knownKeys: KnownKeys;
  /** Null: only keys are valid. */
  readonly tokenCallers: TokenCallers | null;
  readonly keyUses: KeyUses;
  readonly denials: Denials;
  /** Hashes what callers send. Throws DatabaseError until its key was read. */
  readonly contentHasher: () => Promise<ContentHasher>;
  /** Null: secrets are stored as they are sent. */
  readonly redactor: Redactor | null;
  /** For reads of events. */
  readonly sources: Sources;
  /** Null: the archive is not read. */
  readonly archive: ArchiveStore | null;
  readonly bytesInFlight: BytesInFlight;
  readonly keyLimits: KeyLimits;
  /** For batches. */
  readonly store: EventStore;
  /** For single events. */
  readonly coalescer: Coalescer;
}
