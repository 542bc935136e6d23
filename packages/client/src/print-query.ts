/** Escapes commas and backslashes, because the api splits at commas and reads a backslash as an escape. */
const printElement = (element: unknown): string => String(element).replace(/[\\,]/g, '\\$&');

/** Prints a query for the api: arrays as comma-separated elements, each path into values as a separate parameter. */
export function printQuery(query: Record<string, unknown>): string {
  const printed = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (Array.isArray(value)) printed.set(name, value.map(printElement).join());
    else if (typeof value === 'object') for (const [path, text] of Object.entries(value)) printed.set(path, text);
    else printed.set(name, String(value));
  }
  return printed.toString();
}
