import { finish, type RunSteps } from '@auditbox/core/steps.ts';
import type { Database } from '../database/connect.ts';
import { isMonthMissing } from '../months/make-months.ts';
import { createMonthMaker, type MonthMaker } from '../months/month-maker.ts';
import type { TracedEvent } from './event-record.ts';
import { AuditConflictError, isIdTaken, TooManyMonthsError, toMonthError } from './event-refused-error.ts';
import { toEventMonth } from './store-each.ts';
import { type Executor, type WrittenEvent, type WrittenLine, writeAuditLines } from './write-events.ts';

export interface StoreOptions {
  /** Makes missing months. The default uses the pool of the statement. */
  readonly months?: MonthMaker;
  /** The call is refused if it needs more new months. Imports have no limit. */
  readonly maxNewMonths?: number;
  /** Compares events with those that are stored. The default does it at once. */
  readonly run?: RunSteps;
}

/**
 * Writes audit events in their own transaction; they are on disk when it resolves. Otherwise like writeAuditEvents. It
 * makes missing months.
 *
 * When two callers send the same new id at once, the later statement fails after the first has committed. The retry then
 * finds the event. Two callers need one retry; the limit of five is for more callers.
 */
export async function storeAuditEvents(
  db: Database,
  events: readonly TracedEvent[],
  options: StoreOptions = {},
): Promise<WrittenEvent[]> {
  const written = await storeAuditLines(db, events, options);
  return written.map(({ id, outcome }) => ({ id, outcome }));
}

/** As storeAuditEvents, for a caller that may also print what was stored. */
export async function storeAuditLines(
  db: Database,
  events: readonly TracedEvent[],
  { months = createMonthMaker(db), maxNewMonths = Number.POSITIVE_INFINITY, run = finish }: StoreOptions = {},
): Promise<WrittenLine[]> {
  for (let triesLeft = 5; ; triesLeft -= 1) {
    try {
      return await writeAuditLines(sendEach(db), events, run);
    } catch (error) {
      if (triesLeft === 0) throw error;
      if (isMonthMissing(error)) await makeMonths(events, months, maxNewMonths);
      // The id belongs to an event that retention removed, or another statement inserted it a moment ago.
      else if (error instanceof AuditConflictError && isIdTaken(error.cause)) triesLeft = 1;
      else if (!isIdTaken(error)) throw error;
    }
  }
}

/**
 * Sends each statement by itself. Between two of them events are compared, which may wait for other work: that must not count
 * for the deadline of a statement, and must not hold a connection.
 */
function sendEach(db: Database): Executor {
  return { unsafe: (statement, parameters, options) => db.query((sql) => sql.unsafe(statement, parameters, options)) };
}

async function makeMonths(events: readonly TracedEvent[], months: MonthMaker, most: number): Promise<void> {
  const missing = await months.listMissing(events.map(toEventMonth));
  const indexOf = (month: string) => events.findIndex((event) => toEventMonth(event) === month);
  const places = [...missing].map((month) => ({ month, index: indexOf(month) })).sort((a, b) => a.index - b.index);
  const tooMany = places[most];
  if (tooMany) throw new TooManyMonthsError(tooMany.index, most);
  for (const { month, index } of places) {
    const error = toMonthError(await months.make(month), index);
    if (error) throw error;
  }
}
