import { bytes, counted, duration, shortTime } from '../time/format.ts';
import { useZone } from '../time/zone.ts';
import type { ExportedHour } from './export-state.ts';

const hourMs = 3_600_000;

/** Events that arrived, by hour. The table behind it is for screen readers. */
export function HourChart({ hours }: { hours: readonly ExportedHour[] }) {
  const zone = useZone() === 'utc' ? 'utc' : 'local';
  const first = Math.floor(Date.now() / hourMs) * hourMs - 23 * hourMs;
  const known = new Map(hours.map((hour) => [Date.parse(hour.start), hour]));
  const bars = Array.from({ length: 24 }, (_, n) => ({ at: first + n * hourMs, hour: known.get(first + n * hourMs) }));
  const most = Math.max(1, ...hours.map(({ rows }) => rows));
  return (
    <div className="hour-chart">
      <ol className="hour-bars">
        {bars.map(({ at, hour }) => (
          <li key={at} title={describe(at, hour, zone)}>
            <span className="fill-teal" style={{ height: hour ? `max(2px, ${(hour.rows / most) * 100}%)` : 0 }} />
            <span className="unseen">{describe(at, hour, zone)}</span>
          </li>
        ))}
      </ol>
      <div className="histogram-axis" aria-hidden="true">
        <span>{shortTime(new Date(first), zone)}</span>
        <span>now</span>
      </div>
    </div>
  );
}

function describe(at: number, hour: ExportedHour | undefined, zone: 'utc' | 'local'): string {
  const when = shortTime(new Date(at), zone);
  if (!hour) return `${when}: nothing`;
  return `${when}: ${counted(hour.rows, 'event')} in ${counted(hour.objects, 'object')}, ${bytes(hour.bytes)}, slowest ${duration(hour.slowest_seconds)}`;
}
