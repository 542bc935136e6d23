import { archiveDestination } from '@auditbox/core/export/archive-destination.ts';
import { type ArchivedHour, listArchivedHours } from '@auditbox/db/observe/archived-hours.ts';
import { findPendingRows, type PendingRows } from '@auditbox/db/observe/backlog.ts';
import { type LastVerify, listLastVerifies } from '@auditbox/db/observe/last-verify.ts';
import { findLogBacklogs } from '@auditbox/db/observe/log-backlog.ts';
import { z } from 'zod';
import type { Cell } from '../cells/cell.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';
import { getSearch, readQuery, requireValid } from '../read/read-query.ts';

const parameters = z.strictObject({
  month: z
    .string()
    .regex(/^(19[7-9]\d|[2-9]\d{3})-(0[1-9]|1[0-2])$/, 'must be a month from 1970-01: 2026-07')
    .optional()
    .describe('A month of event time in UTC: `2026-07`. Default: the current month.'),
});

const count = z.int().min(0);

const archivedHour = z
  .strictObject({
    partition: z.string().describe('`2026-07-03T14`, or `2026-07-03` where objects are made by day. In UTC.'),
    events: count.describe('Events in stored objects.'),
    objects: count,
    bytes: count.describe('Of the stored objects.'),
    logged_objects: count.describe('Objects under a signed checkpoint of the log.'),
    verified_objects: count.describe(
      'Objects that the newest whole `--verify` compared. `last_verify.differences` says what it found.',
    ),
    waiting_events: count.describe('Events in batches that are not stored yet.'),
    oldest_waiting_age_seconds: z.number().min(0),
    stuck_events: count.describe('Events that wait for a person: in failed batches, or rejected.'),
  })
  .meta({ id: 'ArchivedHour' });

const archive = z
  .strictObject({
    destination: z.string(),
    month: z.string(),
    pending: z
      .strictObject({ rows: count, oldest_age_seconds: z.number() })
      .describe('Events of any time that are in no batch yet.'),
    log: z.strictObject({ size: count, published_size: count }).nullable().describe('Null: the log is off.'),
    last_verify: z
      .strictObject({ age_seconds: z.number(), objects: count, differences: count })
      .nullable()
      .describe(
        'The newest whole comparison of database and bucket. With several cells: the age of the oldest one, and the sums.',
      ),
    partitions: z.array(archivedHour).describe('In order. Hours without a batch are left out.'),
  })
  .meta({ id: 'Archive', description: 'What the archive has of each hour of a month.' });

/** `GET /archive`: what the archive has of each hour of a month. */
export const getArchive: Route = {
  method: 'get',
  path: '/archive',
  access: 'export:read',
  isOfAllTenants: true,
  problems: [403],
  operation: () => ({
    operationId: 'getArchive',
    summary: 'What the archive has of each hour of a month',
    description:
      'Of the destination `s3`, by the folders of its objects. Compare `events` with `GET /audit/stats?interval=hour`, asked ' +
      'before, to find events that are in no object. A key that is bound to a tenant gets a 403, because objects hold the events of all tenants.',
    requestParams: { query: parameters },
    responses: { 200: { description: 'The hours.', content: { 'application/json': { schema: archive } } } },
  }),
  createHandler:
    ({ cells }) =>
    async (request, response) => {
      const { named } = requireValid(readQuery(parameters, getSearch(request)));
      const month = named.month ?? new Date().toISOString().slice(0, 7);
      const found = await Promise.all(cells.map((cell) => readCell(cell, month)));
      const answer: z.output<typeof archive> = {
        destination: archiveDestination,
        month,
        pending: {
          rows: found.reduce((sum, { pending }) => sum + pending.rows, 0),
          oldest_age_seconds: Math.max(...found.map(({ pending }) => pending.oldestAgeS)),
        },
        log: sumLogs(found.map(({ log }) => log)),
        last_verify: sumVerifies(found.map(({ verify }) => verify)),
        partitions: mergeHours(found.flatMap(({ hours }) => hours)).map(showHour),
      };
      sendJson(response, 200, JSON.stringify(answer));
    },
};

interface CellArchive {
  readonly pending: PendingRows;
  readonly hours: readonly ArchivedHour[];
  readonly log: { readonly size: number; readonly publishedSize: number } | null;
  readonly verify: LastVerify | null;
}

/** Pending rows are read first: a row that is sealed between the two statements is counted twice, and not missed. */
async function readCell({ readers }: Cell, month: string): Promise<CellArchive> {
  const db = readers.primary.poolFor();
  const destination = archiveDestination;
  const pending = await findPendingRows(db);
  const [hours, logs, verifies] = await Promise.all([
    listArchivedHours(db, { destination, month: `${month}-01` }),
    findLogBacklogs(db),
    listLastVerifies(db),
  ]);
  return {
    pending,
    hours,
    log: logs.find((log) => log.destination === destination) ?? null,
    verify: verifies.find((verify) => verify.destination === destination) ?? null,
  };
}

/** Null if any cell has no log. */
function sumLogs(logs: readonly CellArchive['log'][]) {
  const known = logs.filter((log) => log !== null);
  if (known.length < logs.length) return null;
  return {
    size: known.reduce((sum, { size }) => sum + size, 0),
    published_size: known.reduce((sum, { publishedSize }) => sum + publishedSize, 0),
  };
}

/** Null if any cell was never compared. */
function sumVerifies(verifies: readonly (LastVerify | null)[]) {
  const known = verifies.filter((verify) => verify !== null);
  if (known.length < verifies.length) return null;
  return {
    age_seconds: Math.max(...known.map(({ ageS }) => ageS)),
    objects: known.reduce((sum, { objects }) => sum + objects, 0),
    differences: known.reduce((sum, { differences }) => sum + differences, 0),
  };
}

/** The same hour of several cells is one hour. */
function mergeHours(hours: readonly ArchivedHour[]): ArchivedHour[] {
  const merged = new Map<string, ArchivedHour>();
  for (const hour of hours) {
    const other = merged.get(hour.partition);
    merged.set(hour.partition, other === undefined ? hour : addHours(hour, other));
  }
  return [...merged.values()].sort((a, b) => (a.partition < b.partition ? -1 : 1));
}

function addHours(one: ArchivedHour, other: ArchivedHour): ArchivedHour {
  return {
    partition: one.partition,
    events: one.events + other.events,
    objects: one.objects + other.objects,
    bytes: one.bytes + other.bytes,
    loggedObjects: one.loggedObjects + other.loggedObjects,
    verifiedObjects: one.verifiedObjects + other.verifiedObjects,
    waitingEvents: one.waitingEvents + other.waitingEvents,
    oldestWaitingAgeS: Math.max(one.oldestWaitingAgeS, other.oldestWaitingAgeS),
    stuckEvents: one.stuckEvents + other.stuckEvents,
  };
}

function showHour(hour: ArchivedHour): z.output<typeof archivedHour> {
  return {
    partition: hour.partition,
    events: hour.events,
    objects: hour.objects,
    bytes: hour.bytes,
    logged_objects: hour.loggedObjects,
    verified_objects: hour.verifiedObjects,
    waiting_events: hour.waitingEvents,
    oldest_waiting_age_seconds: Math.max(0, hour.oldestWaitingAgeS),
    stuck_events: hour.stuckEvents,
  };
}
