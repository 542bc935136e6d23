import { Notice } from '../parts/notice.tsx';
import type { Range } from '../time/range.ts';

/** What stands where no event is: why, and what to do. */
export function EmptyList({
  hasFilters,
  range,
  onAllTime,
}: {
  hasFilters: boolean;
  range: Range;
  onAllTime: () => void;
}) {
  if (hasFilters)
    return (
      <Notice icon="search" title="No event matches">
        <p>Remove a filter above, or look at a longer time.</p>
        {range.kind !== 'all' && (
          <button type="button" className="button" onClick={onAllTime}>
            Search all time
          </button>
        )}
      </Notice>
    );
  if (range.kind !== 'all')
    return (
      <Notice icon="log" title="Nothing happened in this time">
        <button type="button" className="button" onClick={onAllTime}>
          Show all time
        </button>
      </Notice>
    );
  return (
    <Notice icon="log" title="No events yet">
      <p>Record one. It appears here within seconds.</p>
      <pre className="example">{exampleCall()}</pre>
    </Notice>
  );
}

function exampleCall(): string {
  const address = location.href.replace(/\/ui.*$/, '');
  return `curl ${address}/audit \\
  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
  -d '{"changed_by": "ana", "action": "updated", "table_name": "teams",
       "object_id": "42", "before_value": {"max_budget": 10},
       "updated_values": {"max_budget": 25}}'`;
}
