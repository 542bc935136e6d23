import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { listArchiveStates } from '@auditbox/db/events/archive-states.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { findStoredKey, listKeys } from '@auditbox/db/keys/find-keys.ts';
import { countBy, countGroups, countNamedGroups } from '@auditbox/db/queries/count-by.ts';
import { exportCsv, exportLines, exportRows } from '@auditbox/db/queries/export-parts.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import { readFeed } from '@auditbox/db/queries/read-feed.ts';
import { createEventMatcher } from '../../src/archive/match-event.ts';
import type { EventReads, Sources } from '../../src/read/event-reads.ts';

/*
 * This file is compiled by `npm run verify` and never run. A read of events or keys without a tenant must not compile: where it does,
 * the compiler reports that an error was expected. The same read with a tenant stands in front of it.
 */

declare const db: Database;
declare const reads: EventReads;
declare const sources: Sources;
declare const signal: AbortSignal;

const tenant = allTenants;
const order = { by: 'updated_at', direction: 'asc' } as const;
const page = { order, after: null, offset: 0, limit: 1, countUpTo: null };
const part = { order, after: null, maxRows: 1, maxBytes: 1 };
const counts = { interval: 'day', zone: 'UTC', groupBy: null, maxGroups: 1 } as const;
const groups = { groupBy: 'action' } as const;
const feed = { after: 0n, upTo: 1n, limit: 1 };
const states = { ids: [], destination: 's3' };
const keys = { after: null, limit: 1 };
const range = { occurredFrom: '', occurredTo: '' };

void [
  () => findEvents(db, { ...page, filter: { tenant } }),
  // @ts-expect-error
  () => findEvents(db, { ...page, filter: {} }),
  () => exportLines(db, { ...part, filter: { tenant } }, signal),
  // @ts-expect-error
  () => exportLines(db, { ...part, filter: {} }, signal),
  () => exportCsv(db, { ...part, filter: { tenant } }, signal),
  // @ts-expect-error
  () => exportCsv(db, { ...part, filter: {} }, signal),
  () => exportRows(db, 'csv', { ...part, filter: { tenant } }, signal),
  // @ts-expect-error
  () => exportRows(db, 'csv', { ...part, filter: {} }, signal),
  () => countBy(db, { ...counts, filter: { tenant } }),
  // @ts-expect-error
  () => countBy(db, { ...counts, filter: {} }),
  () => countGroups(db, { ...groups, filter: { tenant } }, 1),
  // @ts-expect-error
  () => countGroups(db, { ...groups, filter: {} }, 1),
  () => countNamedGroups(db, { ...groups, filter: { tenant } }, []),
  // @ts-expect-error
  () => countNamedGroups(db, { ...groups, filter: {} }, []),
  () => readFeed(db, { ...feed, filter: { tenant } }),
  // @ts-expect-error
  () => readFeed(db, { ...feed, filter: {} }),
  () => getEvent(db, '', tenant),
  // @ts-expect-error
  () => getEvent(db, ''),
  () => listArchiveStates(db, { ...states, tenant }),
  // @ts-expect-error
  () => listArchiveStates(db, states),
  () => listKeys(db, { ...keys, tenant }),
  // @ts-expect-error
  () => listKeys(db, keys),
  () => findStoredKey(db, '', tenant),
  // @ts-expect-error
  () => findStoredKey(db, ''),
  () => createEventMatcher({ ...range, tenant }),
  // @ts-expect-error
  () => createEventMatcher(range),
  () => reads.findEvents({ ...page, filter: { tenant } }),
  // @ts-expect-error
  () => reads.findEvents({ ...page, filter: {} }),
  () => reads.locateEvent('', tenant),
  // @ts-expect-error
  () => reads.locateEvent(''),
  () => reads.countBy({ ...counts, filter: { tenant } }),
  // @ts-expect-error
  () => reads.countBy({ ...counts, filter: {} }),
  () => reads.listArchiveStates({ ...states, tenant }),
  // @ts-expect-error
  () => reads.listArchiveStates(states),
  () => reads.openExport('csv', { order, filter: { tenant } }, { signal, mayBeFast: () => false }),
  // @ts-expect-error
  () => reads.openExport('csv', { order, filter: {} }, { signal, mayBeFast: () => false }),
  () => sources.readFeed({ after: null, pageSize: 1, filter: { tenant } }),
  // @ts-expect-error
  () => sources.readFeed({ after: null, pageSize: 1, filter: {} }),
  () => sources.pollEnd({ tenant }),
  // @ts-expect-error
  () => sources.pollEnd({}),
  // @ts-expect-error Only `allTenants` and `oneTenant` make a scope.
  () => getEvent(db, '', { kind: 'all' }),
  // @ts-expect-error
  () => getEvent(db, '', { kind: 'one', tenant: 'acme' }),
  // @ts-expect-error
  () => getEvent(db, '', undefined),
];
