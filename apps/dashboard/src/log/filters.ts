/* Filters have the same names in the page's address as in the api. */

const labels: Readonly<Record<string, string>> = {
  action: 'action',
  changed_by: 'actor',
  changed_by_prefix: 'actor begins with',
  changed_by_any_case: 'actor in any case',
  changed_by_api_key: 'API key',
  table_name: 'table',
  object_id: 'object',
  recorded_by: 'recorded by',
  object_team_id: 'team',
  object_key_hash: 'key hash',
  search: 'any id',
  q: 'contains',
};

/** What only the page reads. */
const pageOnly = new Set(['range', 'start_date', 'end_date', 'event', 'live']);

const valueName = /^(before_value|updated_values|context)\../;

export interface Chip {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  /** False: the api does not know the parameter. It is shown, never ignored in silence. */
  readonly isKnown: boolean;
}

export function readChips(search: URLSearchParams): Chip[] {
  return [...search]
    .filter(([name, value]) => !pageOnly.has(name) && value !== '')
    .map(([name, value]) => {
      const label = labels[name] ?? (valueName.test(name) ? name : null);
      return { name, value, label: label ?? name, isKnown: label !== null };
    });
}

/** The filters of an address as the api takes them. */
export function apiFilters(search: URLSearchParams): URLSearchParams {
  return new URLSearchParams(
    readChips(search)
      .filter(({ isKnown }) => isKnown)
      .map(({ name, value }) => [name, value]),
  );
}

/** A value that is a filter by itself: in a list, a comma separates values. */
export function exactly(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
}
