import { isUtf8 } from 'node:buffer';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { broken, type Finding } from '../finding.ts';
import type { IdFilter } from './id-filter.ts';

/** Checks the events of one object, line by line. */
export interface EventCheck {
  /** The next line, which is only read during the call. */
  look(line: Buffer): void;
  end(): Finding[];
  /** Ids that may have come before. */
  readonly suspects: readonly string[];
}

const mostNamed = 10;

interface EventFields {
  readonly id: string;
  readonly updated_at: string;
  readonly tenant?: unknown;
}

/** Level `events`: each line is an event of this folder, the lines are in order, and first and last are as the log says. */
export function createEventCheck(entry: BatchEntry, ids: IdFilter): EventCheck {
  const { key } = entry;
  const findings: Finding[] = [];
  const suspects: string[] = [];
  const folder = timeOfFolder(key);
  let [line, last, first] = [0, '', ''];
  if (folder === '') findings.push(broken('misfiled', key, 'Its key names no day.'));

  function note(code: 'line-malformed' | 'misfiled' | 'unsorted' | 'other-tenant', says: string): void {
    if (findings.length < mostNamed) findings.push(broken(code, key, `Line ${line + 1}: ${says}`));
  }

  function check(bytes: Buffer): void {
    const event = isUtf8(bytes) ? parseEvent(bytes.toString()) : null;
    if (event === null) note('line-malformed', 'it is not an event in JSON.');
    else {
      const time = widen(event.updated_at);
      if (!time.startsWith(folder)) note('misfiled', `the event time ${event.updated_at} is not of this folder.`);
      if (entry.tenant !== null && event.tenant !== entry.tenant)
        note('other-tenant', `it is not an event of the tenant ${entry.tenant}, whom the log names.`);
      const place = `${time} ${event.id}`;
      if (place < last) note('unsorted', 'it is not sorted by event time and id.');
      if (line === 0) first = time;
      last = place;
      if (ids.add(event.id)) suspects.push(event.id);
    }
    line += 1;
  }

  return {
    look: check,
    end() {
      const [lastTime = ''] = last.split(' ');
      if (first !== entry.first || lastTime !== entry.last)
        findings.push(
          broken(
            'rows',
            key,
            `Its events are from ${first} to ${lastTime}; the log says ${entry.first} to ${entry.last}.`,
          ),
        );
      return findings;
    },
    suspects,
  };
}

/**
 * Readers of JSON differ where a line has a member twice, or writes one in another form. So id and time must stand in front as an
 * exporter writes them, and be what a whole reader finds.
 */
function parseEvent(text: string): EventFields | null {
  try {
    const event = JSON.parse(text) as EventFields;
    const isEvent = eventBegin.test(text) && text.startsWith(`{"id":"${event.id}","updated_at":"${event.updated_at}",`);
    return isEvent && 'action' in event ? event : null;
  } catch {
    return null;
  }
}

const eventBegin =
  /^\{"id":"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}","updated_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z",/;

/** With six fraction digits, so that texts compare like times. */
function widen(time: string): string {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}Z`;
}

/** How each event time in a folder begins: `2026-07-03T11`, or `2026-07-03`. */
function timeOfFolder(key: string): string {
  const [, day = '', hour] = /(?:^|\/)dt=(\d{4}-\d\d-\d\d)\/(?:hour=(\d\d)\/)?[^/]+$/.exec(key) ?? [];
  return hour === undefined ? day : `${day}T${hour}`;
}
