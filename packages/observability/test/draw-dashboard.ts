import * as echarts from 'echarts';
import type { DashboardPanel } from './queries.ts';

/** A line of a panel: its legend, and its points in milliseconds since 1970. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [ms: number, value: number])[];
}

const width = 1_440;
const unitHeight = 30;
const columns = 24;

/**
 * Draws the panels of the dashboard at their places, as one SVG: a `stat` as its largest value, a `timeseries` as lines. It is not
 * Grafana's own drawing.
 */
export function drawDashboard(panels: readonly (readonly [DashboardPanel, readonly Line[]])[]): string {
  const height = Math.max(...panels.map(([{ gridPos }]) => gridPos.y + gridPos.h)) * unitHeight;
  const drawn = panels.map(([panel, lines]) => {
    const { x, y, w, h } = panel.gridPos;
    const size = { width: (w * width) / columns, height: h * unitHeight };
    const svg = panel.type === 'timeseries' ? drawLines(panel, lines, size) : drawText(panel, lines, size);
    return `<svg x="${(x * width) / columns}" y="${y * unitHeight}"${svg.slice('<svg'.length)}`;
  });
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif">`;
  return `${head}<rect width="100%" height="100%" fill="#ffffff"/>${drawn.join('')}</svg>\n`;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function drawLines({ title, unit }: DashboardPanel, lines: readonly Line[], size: Size): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...size });
  chart.setOption({
    animation: false,
    title: { text: title, left: 8, top: 4, textStyle: { fontSize: 13 } },
    legend: { bottom: 0, type: 'plain', icon: 'roundRect', itemHeight: 3, textStyle: { fontSize: 10 } },
    grid: { left: 8, right: 16, top: 36, bottom: 44, containLabel: true },
    xAxis: { type: 'time', axisLabel: { fontSize: 10, hideOverlap: true } },
    yAxis: { type: 'value', axisLabel: { fontSize: 10, formatter: (value: number) => printValue(value, unit) } },
    series: lines.map(({ name, points }) => ({
      name,
      type: 'line',
      showSymbol: false,
      lineStyle: { width: 1.5 },
      data: points,
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function drawText({ type, title, unit }: DashboardPanel, lines: readonly Line[], { width, height }: Size): string {
  const largest = Math.max(...lines.flatMap(({ points }) => points.map(([, value]) => value)));
  const value =
    type === 'row' ? '' : `<text x="8" y="${height / 2 + 20}" font-size="30">${printValue(largest, unit)}</text>`;
  const note =
    type === 'row' ? '' : `<text x="8" y="${height - 14}" font-size="10" fill="#666666">the most in this time</text>`;
  const titleText = `<text x="8" y="20" font-size="13" font-weight="bold">${title.replaceAll('&', '&amp;')}</text>`;
  return `<svg width="${width}" height="${height}">${titleText}${value}${note}</svg>`;
}

function printValue(value: number, unit: string | undefined): string {
  const short = Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
  if (unit === 's') return value < 1 ? `${short.format(value * 1000)} ms` : `${short.format(value)} s`;
  const suffix: Readonly<Record<string, string>> = { cps: '/s', reqps: '/s', Bps: 'B/s', bytes: 'B' };
  return unit === 'percentunit'
    ? `${short.format(value * 100)} %`
    : `${short.format(value)}${suffix[unit ?? ''] ?? ''}`;
}
