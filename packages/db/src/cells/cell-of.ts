import { hash } from 'node:crypto';

/**
 * The cell that stores the event with an id, by rendezvous hashing: the name with the greatest hash of name and id. A list
 * with one more name moves only the ids that the new name gets. `id` is a UUID in lower case.
 */
export function cellOf(id: string, names: readonly string[]): string {
  let best = names[0] ?? '';
  if (names.length === 1) return best;
  let greatest = '';
  for (const name of names) {
    const weight = hash('sha256', `${name}/${id}`);
    if (weight <= greatest) continue;
    greatest = weight;
    best = name;
  }
  return best;
}
