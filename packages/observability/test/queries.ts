import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';

/** An alert rule as Prometheus reads it. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One metric in a query. */
export interface Selector {
  readonly metric: string;
  /** Labels in its matchers. */
  readonly labels: readonly string[];
}

const folder = new URL('../', import.meta.url);
const readText = (path: string) => readFileSync(new URL(path, folder), 'utf8');

/** The alert rules. */
export function readAlerts(): readonly Alert[] {
  const { groups } = parse(readText('prometheus/alerts.yml')) as { groups: { rules: Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** A panel of the dashboard. Its place and size are in units of Grafana's grid, which is 24 wide. */
export interface DashboardPanel {
  readonly title: string;
  readonly type: string;
  readonly unit: string | undefined;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legend: string }[];
}

/** The panels of the dashboard. */
export function readDashboard(): readonly DashboardPanel[] {
  const { panels } = JSON.parse(readText('grafana/dashboards/auditbox.json')) as {
    panels: (Pick<DashboardPanel, 'title' | 'type' | 'gridPos'> & {
      targets?: { expr: string; legendFormat?: string }[];
      fieldConfig?: { defaults: { unit?: string } };
    })[];
  };
  return panels.map(({ title, type, gridPos, targets = [], fieldConfig }) => ({
    title,
    type,
    gridPos,
    unit: fieldConfig?.defaults.unit,
    targets: targets.map(({ expr, legendFormat = '' }) => ({ expr, legend: legendFormat })),
  }));
}

/** The queries of the dashboard with the titles of their panels. */
export function readDashboardQueries(): readonly (readonly [title: string, expr: string])[] {
  return readDashboard().flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));
}

/** The selectors of a query. Throws when the query is not PromQL. Grafana's interval variable stands for a duration. */
export function findSelectors(expr: string): readonly Selector[] {
  const query = expr.replaceAll('$__rate_interval', '1m');
  const selectors: Selector[] = [];
  parser
    .configure({ strict: true })
    .parse(query)
    .iterate({
      enter({ name, node }) {
        if (name !== 'VectorSelector') return;
        const metric = node.getChild('Identifier');
        const labels = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? [];
        selectors.push({
          metric: metric ? query.slice(metric.from, metric.to) : '',
          labels: labels.map(({ from, to }) => query.slice(from, to).split(/[=!]/)[0]?.trim() ?? ''),
        });
      },
    });
  return selectors;
}
