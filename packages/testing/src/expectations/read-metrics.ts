/** Metrics, read as Prometheus reads them. */
export interface Metrics {
  readonly text: string;
  /** Names of the metrics with at least one value. */
  readonly names: ReadonlySet<string>;
  /** The value of a series written as in the text, such as `name` or `name{label="value"}`; undefined if it is absent. */
  value(series: string): number | undefined;
}

export async function readMetrics(url: string, headers: Record<string, string> = {}): Promise<Metrics> {
  const response = await fetch(`${url}/metrics`, { headers });
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${url}/metrics answered ${response.status}: ${text}`);
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, series, value] = /^([^#\s]\S*?(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (series !== undefined) values.set(series, Number(value));
  }
  const names = new Set([...values.keys()].map((series) => series.replace(/\{.*/, '')));
  return { text, names, value: (series) => values.get(series) };
}
