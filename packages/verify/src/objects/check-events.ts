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

  function note(code: 'line-malformed' | 'misfiled' | 'unsorted' | 'other-tenant', says: string): void {
    if (findings.length < mostNamed) findings.push(broken(code, key, `Line ${line + 1}: ${says}`));
  }

  function check(text: string): void {
    const event = parseEvent(text);
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
    look: (line) => check(line.toString()),
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

function parseEvent(text: string): EventFields | null {
  try {
    const event = JSON.parse(text) as EventFields;
    const hasFields = typeof event.id === 'string' && typeof event.updated_at === 'string' && 'action' in event;
    return hasFields && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(event.updated_at) ? event : null;
  } catch {
    return null;
  }
}

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
