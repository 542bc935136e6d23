/** One measure of one contender under one condition, taken several times. */
export interface Figure {
  /** `auditbox`, or the alternative that it is compared with. */
  readonly contender: string;
  /** Such as `128 connections, single events`. */
  readonly condition: string;
  /** The measure with its unit, such as `events/s`. */
  readonly measure: string;
  /** One value per turn, in order. Contenders alternate within a turn, so values at the same index were measured close in time. */
  readonly values: readonly number[];
}

/** Everything that one benchmark measured. */
export interface BenchmarkResult {
  /** The name for `--only`, and the file name of the plot. */
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  /** The measure that the plot shows. */
  readonly plotted: string;
  /** Printed unchanged below the table. */
  readonly notes?: readonly string[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** The median of the ratios of each turn, so that a machine that slows down between turns does not distort the ratio. */
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

/** The same contenders, starting with another one in each turn, because the position may influence the figure. */
export function rotate<T>(contenders: readonly T[], turn: number): readonly T[] {
  const from = turn % contenders.length;
  return [...contenders.slice(from), ...contenders.slice(0, from)];
}
