import { readFileSync } from 'node:fs';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';

/** An alert rule as Prometheus reads it. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What a query asks of one metric. */
export interface Selector {
  readonly metric: string;
  /** Labels that it is matched by. */
  readonly labels: readonly string[];
}

const folder = new URL('../', import.meta.url);
const textOf = (path: string) => readFileSync(new URL(path, folder), 'utf8');

/** The alert rules. */
export function readAlerts(): readonly Alert[] {
  const { groups } = parse(textOf('prometheus/alerts.yml')) as { groups: { rules: Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** The queries of the dashboard, by the panel's title. */
export function readDashboardQueries(): readonly (readonly [title: string, expr: string])[] {
  const { panels } = JSON.parse(textOf('grafana/dashboards/auditbox.json')) as {
    panels: { title: string; targets?: { expr: string }[] }[];
  };
  return panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const));
}

/** What a query asks for; throws when it is no PromQL. Grafana's variables stand for a duration. */
export function selectorsOf(expr: string): readonly Selector[] {
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
