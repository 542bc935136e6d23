import type { Destination, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { parseEntry } from '../src/destinations/configured/parse-entry.ts';

/** One destination, as an exporter makes it from an entry of DESTINATIONS_FILE. `file` is what a module is relative to. */
export async function openDestination(entry: object, file = ''): Promise<Destination> {
  const parsed = parseEntry({ name: 'siem', ...entry }, 'destinations[0]', {}, file);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  return parsed.destination.create({ name: 'siem', log: () => {}, env: {} });
}

export function aRow(fields: Partial<Row> = {}): Row {
  const id = '0197f0e0-0000-7000-8000-000000000001';
  const about = { action: 'updated', tableName: 'keys', objectId: 'k "1"', changedBy: 'ana' };
  const times = { occurredAt: '2026-07-03T11:46:50.123456Z', recordedAt: '2026-07-03T11:46:51.000000Z' };
  return { id, ...times, ...about, line: `{"id":"${id}","updated_values":{"n":12345678901234567890}}`, ...fields };
}

export function deliver(destination: Destination, rows: readonly Row[] = [aRow()], first = 0): Promise<Outcome> {
  return destination.deliver({ key: `siem/1/${first}`, batch: '1', rows }, new AbortController().signal);
}
