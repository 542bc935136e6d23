/** The shade of a number in a heat map. 0 is nothing; 1 to 5 grow with the root, so that small numbers differ from nothing. */
export function heatStep(value: number, most: number): number {
  return value === 0 ? 0 : Math.max(1, Math.ceil(Math.sqrt(value / most) * 5));
}
