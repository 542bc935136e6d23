import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { ArchiveState } from '@auditbox/db/events/archive-states.ts';
import type { getEvent } from '@auditbox/db/events/get-event.ts';
import type { EventCount, EventCountQuery } from '@auditbox/db/queries/count-by.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { EventPage, EventQuery } from '@auditbox/db/queries/find-events.ts';
import type { FoundEvent } from '@auditbox/db/queries/page-bytes.ts';
import type { Request, Response } from 'express';
import type { CellLedger } from '../archive/archive-ledger.ts';
import type { CursorList } from './cursor.ts';
import type { ExportFormat, ExportOptions, ExportSource } from './export-source.ts';
import type { FeedPlace } from './feed-place.ts';
import type { Reader } from './readers.ts';

/** An event, and the source of reads that has it. */
export interface LocatedEvent {
  readonly event: NonNullable<Awaited<ReturnType<typeof getEvent>>>;
  readonly reader: Reader;
}

/** Reads of events for one request. Routes do not know from how many databases they come. */
export interface EventReads {
  findEvents(query: EventQuery): Promise<EventPage>;
  /** The JSON of events that this found, in order, in parts of about a megabyte. */
  readPageEvents<T extends FoundEvent>(events: readonly T[]): AsyncIterable<readonly (T & { readonly json: string })[]>;
  /** Null also for an event of another tenant. */
  locateEvent(id: string, tenant: TenantScope): Promise<LocatedEvent | null>;
  countBy(query: EventCountQuery): Promise<readonly EventCount[]>;
  /** From which event time on the record is whole; null if nothing was removed. */
  getRecordBegin(): Promise<string | null>;
  listArchiveStates(asked: {
    readonly ids: readonly string[];
    readonly tenant: TenantScope;
    readonly destination: string;
  }): Promise<readonly ArchiveState[]>;
  /** The ledgers of the archive's batches: of one database, or of each cell. */
  listLedgers(): readonly CellLedger[];
  openExport(format: ExportFormat, list: CursorList, options: ExportOptions): ExportSource | Promise<ExportSource>;
}

/** The next part of a feed; `after` is null at its beginning. */
export interface FeedQuery {
  readonly filter: EventFilter;
  readonly after: FeedPlace | null;
  readonly pageSize: number;
}

export interface FeedPart {
  readonly events: readonly FoundEvent[];
  readonly place: FeedPlace;
  readonly isCaughtUp: boolean;
}

/** Where reads come from. */
export interface Sources {
  /** As `Readers.choose`. */
  choose(request: Request, response: Response, needs?: 'primary' | 'either'): Promise<EventReads>;
  /** As `PollEnd`. */
  pollEnd(filter: EventFilter): Promise<string | null>;
  readFeed(query: FeedQuery): Promise<FeedPart>;
}
