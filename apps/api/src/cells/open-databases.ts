import type { RunSteps } from '@auditbox/core/steps.ts';
import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import { workForAll } from '@auditbox/db/database/holder.ts';
import { createContentHasher } from '@auditbox/db/events/content-key.ts';
import type { IdentifiedEvent } from '@auditbox/db/events/event-record.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import type { NoteSigner } from '@auditbox/evidence/signed-note.ts';
import type { DatabasePlaces } from '@auditbox/process/cell-settings.ts';
import { startInPieces } from '../http/long-work.ts';
import { createKeyStore } from '../keys/key-store.ts';
import type { ApiParts } from '../parts.ts';
import { createSources } from '../read/one-database.ts';
import { type CoalescerLimits, createCoalescer } from '../write/coalescer.ts';
import { createEventStore } from '../write/event-store.ts';
import { giveReceipts } from '../write/receipts.ts';
import { type Cell, openCell } from './cell.ts';
import { createCellContentHasher } from './cell-content-hasher.ts';
import { createCellHealth } from './cell-health.ts';
import { createCellKeyStore } from './cell-keys.ts';
import { createCellsCheck } from './check-cells.ts';
import { createEventRouter } from './event-router.ts';
import { createCellSources } from './read-cells.ts';
import { createRoutedCoalescer } from './routed-coalescer.ts';
import { createRoutedStore } from './routed-store.ts';

/** The parts of the api that know how many databases there are. */
export type DatabaseParts = Pick<
  ApiParts,
  'cells' | 'checkReady' | 'keys' | 'contentHasher' | 'sources' | 'store' | 'coalescer'
> & {
  /** For events of the api itself about denied requests. */
  readonly ownStore: ApiParts['store'];
};

export interface DatabasesOptions {
  readonly replicaUrl: string | null;
  readonly statementTimeoutMs: number;
  readonly coalescerLimits: CoalescerLimits;
  readonly onFlushed: NonNullable<Parameters<typeof createCoalescer>[2]>;
  /** Null: writers get no receipts. */
  readonly receiptSigner: NoteSigner | null;
}

/** Opens no connection yet. One database has none of the parts that route and merge. */
export function openDatabases(places: DatabasePlaces, options: DatabasesOptions): DatabaseParts {
  return places.kind === 'one' ? openOne(places, options) : openCells(places, options);
}

function openOne({ url, schema }: Extract<DatabasePlaces, { kind: 'one' }>, options: DatabasesOptions): DatabaseParts {
  const cell = openCell({ ...options, name: '', url, schema, takesEvents: true });
  return {
    cells: [cell],
    checkReady: () => checkDatabase(cell.db),
    keys: createKeyStore(cell.changesDb, cell.keysDb),
    contentHasher: createContentHasher(cell.keysDb),
    sources: createSources(cell.readers),
    store: createEventStore({ db: cell.batchesDb, months: cell.months }),
    ownStore: createEventStore({ db: cell.keysDb, months: cell.months }),
    coalescer: openCoalescer(cell, options),
  };
}

function openCells(
  { cells: addresses, before }: Extract<DatabasePlaces, { kind: 'cells' }>,
  options: DatabasesOptions,
): DatabaseParts {
  const [first, ...others] = addresses.map((address) => openCell({ ...options, ...address, replicaUrl: null }));
  if (first === undefined) throw new TypeError('There is no cell.');
  const cells = [first, ...others] as const;
  const health = createCellHealth(cells);
  const router = createEventRouter({ cells, before, health });
  const coalescers = new Map(cells.map((cell) => [cell, openCoalescer(cell, options)]));
  // The first step to cells gives the only database a name. Cursors of feeds have no name then.
  const [oldest = others.length === 0 ? [first.name] : []] = before;
  const store = createRoutedStore(router, health);
  return {
    cells: [...cells],
    checkReady: createCellsCheck(cells, router),
    keys: createCellKeyStore(
      cells.map(({ name, changesDb, keysDb }) => ({ name, keys: createKeyStore(changesDb, keysDb) })),
      health,
    ),
    contentHasher: createCellContentHasher(cells),
    sources: createCellSources(cells, router, oldest.length === 1 ? (oldest[0] ?? null) : null),
    store,
    ownStore: store,
    coalescer: createRoutedCoalescer({ router, coalescers, health, deadlineMs: options.coalescerLimits.deadlineMs }),
  };
}

function openCoalescer(cell: Cell, { coalescerLimits, onFlushed, receiptSigner }: DatabasesOptions) {
  const flush = async (events: readonly IdentifiedEvent[]) =>
    giveReceipts(await storeEachEvent(cell.db, events, cell.months, runForAll), receiptSigner);
  return createCoalescer(flush, coalescerLimits, onFlushed);
}

/** The events of a flush are of several callers, so the share of none of them holds it up. */
const runForAll: RunSteps = (steps) => workForAll(() => startInPieces(steps));
