/** One thing measured: several times, under one condition, of one contender. */
export interface Figure {
  /** `auditbox`, or what it is compared with. */
  readonly contender: string;
  /** Under which condition, such as `128 connections, single events`. */
  readonly condition: string;
  /** What is measured, with its unit, such as `events/s`. */
  readonly measure: string;
  /** One for each turn, in order: turns of contenders alternate, so equal places were measured side by side. */
  readonly values: readonly number[];
}

/** All that answers one question. */
export interface Answer {
  /** The file name of its plot, and what `--only` takes. */
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  /** Which measure the plot shows. */
  readonly plotted: string;
  /** Shown as they are below the table. */
  readonly notes?: readonly string[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The median of the ratios turn by turn, so that a machine that slows down in between does not count. */
export function ratio({ values: ours }: Figure, { values: theirs }: Figure): number {
  return median(ours.map((value, turn) => value / (theirs[turn] ?? Number.NaN)));
}

/** The figure of a contender under a condition, if it was measured. */
export function findFigure(
  figures: readonly Figure[],
  contender: string,
  condition: string,
  measure: string,
): Figure | undefined {
  return figures.find(
    (figure) => figure.contender === contender && figure.condition === condition && figure.measure === measure,
  );
}

/** Collects values turn by turn into figures. */
export function createLedger(): {
  add(contender: string, condition: string, measure: string, value: number): void;
  figures(): Figure[];
} {
  const all = new Map<string, { contender: string; condition: string; measure: string; values: number[] }>();
  return {
    add(contender, condition, measure, value) {
      const key = [contender, condition, measure].join('\n');
      const figure = all.get(key) ?? { contender, condition, measure, values: [] };
      figure.values.push(value);
      all.set(key, figure);
    },
    figures: () => [...all.values()],
  };
}
