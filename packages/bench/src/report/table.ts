import { type Answer, type Figure, median } from '../figures.ts';

/** An answer as a table in Markdown: a row for each condition and measure, a column for each contender. */
export function toTable({ title, figures, notes = [] }: Answer): string {
  const contenders = [...new Set(figures.map(({ contender }) => contender))];
  const rows = Map.groupBy(figures, ({ condition, measure }) => `${condition} | ${measure}`);
  const lines = [...rows].map(([name, row]) => {
    const cells = contenders.map((contender) => shown(row.find((figure) => figure.contender === contender)));
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

/** The median, and from where to where the turns went. */
function shown(figure: Figure | undefined): string {
  if (figure === undefined) return '';
  const { values } = figure;
  const middle = inShort(median(values));
  if (values.length === 1) return middle;
  return `${middle} (${inShort(Math.min(...values))}–${inShort(Math.max(...values))})`;
}

function inShort(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}
