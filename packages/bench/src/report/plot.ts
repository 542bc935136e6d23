import * as echarts from 'echarts';
import { type BenchmarkResult, findFigure, median } from '../figures.ts';

/** Draws a result's plotted measure as bars, one group per condition. Returns SVG. */
export function drawPlot({ title, figures, plotted }: BenchmarkResult): string {
  const shown = figures.filter(({ measure }) => measure === plotted);
  const conditions = [...new Set(shown.map(({ condition }) => condition))];
  const contenders = [...new Set(shown.map(({ contender }) => contender))];
  const chart = echarts.init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: 960,
    height: 120 + 26 * conditions.length * contenders.length,
  });
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: `${title} (${plotted}, median)`, left: 'center' },
    legend: { bottom: 0 },
    grid: { left: 16, right: 70, top: 50, bottom: 40, containLabel: true },
    xAxis: { type: 'value' },
    yAxis: { type: 'category', data: conditions, inverse: true },
    series: contenders.map((contender) => ({
      name: contender,
      type: 'bar',
      data: conditions.map((condition) => {
        const figure = findFigure(shown, contender, condition, plotted);
        return figure ? Number(median(figure.values).toPrecision(3)) : null;
      }),
      label: { show: true, position: 'right' },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
