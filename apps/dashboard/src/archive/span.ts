import { veryLateS } from '../exports/export-state.ts';
import type { Archive, ArchivedHour } from './archive.ts';

/** An hour or a day: what the database has, what the archive has, and the difference in a word. */
export interface Span {
  /** Where it begins and ends, in milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  /** Events in the archive. */
  readonly archived: number;
  readonly objects: number;
  readonly bytes: number;
  readonly logged: number;
  readonly verified: number;
  /** Events that are not in the archive. */
  readonly missing: number;
  readonly state: SpanState;
}

/** `gap`: events are not in the archive although there was time enough, or they wait for a person. */
export type SpanState = 'empty' | 'whole' | 'waiting' | 'gap';

/** One partition of the archive, against the events that the database has of it. */
export function compare(
  from: number,
  to: number,
  hour: ArchivedHour | undefined,
  recorded: number | null,
  pending: Archive['pending'],
): Span {
  const archived = hour?.events ?? 0;
  const waiting = hour?.waiting_events ?? 0;
  const stuck = hour?.stuck_events ?? 0;
  // Retention removes events of the database, so it may have fewer than the archive.
  const inNoBatch = Math.max(0, (recorded ?? 0) - archived - waiting - stuck);
  const missing = waiting + stuck + inNoBatch;
  const ageS = Math.max(
    waiting > 0 ? (hour?.oldest_waiting_age_seconds ?? 0) : 0,
    inNoBatch > 0 ? pending.oldest_age_seconds : 0,
  );
  const isLost = inNoBatch > pending.rows;
  return {
    from,
    to,
    archived,
    objects: hour?.objects ?? 0,
    bytes: hour?.bytes ?? 0,
    logged: hour?.logged_objects ?? 0,
    verified: hour?.verified_objects ?? 0,
    missing,
    state: nameState(archived, missing, stuck > 0 || isLost || ageS > veryLateS),
  };
}

function nameState(archived: number, missing: number, isGap: boolean): SpanState {
  if (missing === 0) return archived === 0 ? 'empty' : 'whole';
  return isGap ? 'gap' : 'waiting';
}

const order: readonly SpanState[] = ['empty', 'whole', 'waiting', 'gap'];

/** The worst state wins. */
export function addSpans(spans: readonly Span[]): Span {
  const sum = (pick: (span: Span) => number) => spans.reduce((total, span) => total + pick(span), 0);
  return {
    from: spans[0]?.from ?? 0,
    to: spans.at(-1)?.to ?? 0,
    archived: sum(({ archived }) => archived),
    objects: sum(({ objects }) => objects),
    bytes: sum(({ bytes }) => bytes),
    logged: sum(({ logged }) => logged),
    verified: sum(({ verified }) => verified),
    missing: sum(({ missing }) => missing),
    state: order[Math.max(0, ...spans.map(({ state }) => order.indexOf(state)))] ?? 'empty',
  };
}
