const mostBatches = 2n ** 63n - 1n;

/** The number of a batch from the digits in an object's name; null for a number that no batch can have, because a stranger made the name. */
export function readBatchId(digits: string | undefined): string | null {
  if (digits === undefined) return null;
  const id = BigInt(digits);
  return id <= mostBatches ? id.toString() : null;
}
