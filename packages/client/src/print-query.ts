/** Escaped, or a comma would end the element and a backslash change the next character. */
const printElement = (element: unknown): string => String(element).replace(/[\\,]/g, '\\$&');

/** A query as the api reads it: elements of an array between commas, places in values under their own names. */
export function printQuery(query: Record<string, unknown>): string {
  const printed = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) printed.set(name, value.map(printElement).join());
    else if (typeof value === 'object') for (const [place, given] of Object.entries(value)) printed.set(place, given);
    else printed.set(name, String(value));
  }
  return printed.toString();
}
