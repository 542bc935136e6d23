import { heatStep } from '../parts/heat-step.ts';

const dayNames = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** Events for each hour of the week. */
export function WeekMap({ hours }: { hours: readonly (readonly number[])[] }) {
  const most = Math.max(1, ...hours.flat());
  return (
    <table className="heat">
      <caption className="unseen">Events by weekday and hour, in your zone</caption>
      <thead>
        <tr>
          <td />
          {Array.from({ length: 24 }, (_, hour) => hour).map((hour) => (
            <th key={hour} scope="col">
              {hour % 3 === 0 ? hour : <span className="unseen">{hour}</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {hours.map((day, index) => (
          <tr key={dayNames[index]}>
            <th scope="row">{dayNames[index]}</th>
            {day.map((events, hour) => (
              <td
                // biome-ignore lint/suspicious/noArrayIndexKey: the index is the hour
                key={hour}
                className={`heat-${heatStep(events, most)}`}
                title={`${dayNames[index]} ${hour}:00, ${events} ${events === 1 ? 'event' : 'events'}`}
              >
                <span className="unseen">{events}</span>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
