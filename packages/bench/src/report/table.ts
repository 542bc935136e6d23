import { type BenchmarkResult, type Figure, median } from '../figures.ts';

/** A result as a Markdown table: one row per condition and measure, one column per contender. */
export function formatTable({ title, figures, notes = [] }: BenchmarkResult): string {
  const contenders = [...new Set(figures.map(({ contender }) => contender))];
  const rows = Map.groupBy(figures, ({ condition, measure }) => `${condition} | ${measure}`);
  const lines = [...rows].map(([name, row]) => {
    const cells = contenders.map((contender) => formatFigure(row.find((figure) => figure.contender === contender)));
    return `| ${name} | ${cells.join(' | ')} |`;
  });
  return [
    `### ${title}`,
    '',
    `| condition | measure | ${contenders.join(' | ')} |`,
    `| --- | --- | ${contenders.map(() => '--:').join(' | ')} |`,
    ...lines,
    '',
    ...notes.flatMap((note) => ['```', note, '```', '']),
  ].join('\n');
}

/** The median, with the smallest and the largest value. */
function formatFigure(figure: Figure | undefined): string {
  if (figure === undefined) return '';
  const { values } = figure;
  const middle = formatShort(median(values));
  if (values.length === 1) return middle;
  return `${middle} (${formatShort(Math.min(...values))}–${formatShort(Math.max(...values))})`;
}

function formatShort(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
