import { withOwner } from './copy-to-cell.ts';
import { MigrationError } from './migration-error.ts';

interface NamedDatabase {
  readonly name: string;
  readonly url: string;
  readonly schema: string;
}

/** Of the oldest events of each cell: copies of a database have them in common, also when both were written to since. */
const sampleSize = 300;
/** Fewer may be mistakes of earlier times. */
const leastShared = 3;

/**
 * Throws MigrationError if a cell is a copy of another one: most events of one are in the other, and three at least. Each would
 * be in every list twice. One or two ids that two cells have by an earlier mistake do not count.
 *
 * Caller: `npm run migrate` with DATABASE_CELLS.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function refuseCopies(cells: readonly NamedDatabase[]): Promise<void> {
  const samples: { readonly name: string; readonly ids: readonly string[] }[] = [];
  for (const { name, url, schema } of cells) samples.push({ name, ids: await readOldestIds(url, schema) });
  for (const { name, url, schema } of cells) {
    const others = samples.filter((sample) => sample.name !== name && sample.ids.length > 0);
    if (others.length === 0) continue;
    const shared = await findShared(
      url,
      others.flatMap(({ ids }) => ids),
      schema,
    );
    const original = others.find(({ ids }) => {
      const count = ids.filter((id) => shared.has(id)).length;
      return count >= leastShared && count * 2 > ids.length;
    });
    if (original !== undefined)
      throw new MigrationError(
        `The cells ${original.name} and ${name} have the same events: one is a copy of the other, and each event would be in every list twice. A new cell begins with an empty database.`,
      );
  }
}

async function readOldestIds(url: string, schema: string): Promise<readonly string[]> {
  return withOwner(url, schema, async (tx) => {
    const rows = await tx<{ id: string }[]>`
      select o.audit_id::text as id from auditbox.outbox o order by o.id limit ${sampleSize}`;
    return rows.map(({ id }) => id);
  });
}

async function findShared(url: string, ids: readonly string[], schema: string): Promise<ReadonlySet<string>> {
  return withOwner(url, schema, async (tx) => {
    const rows = await tx<{ id: string }[]>`
      select wanted.id from json_array_elements_text(${JSON.stringify(ids)}::text::json) as wanted (id)
      where exists (select from auditbox.outbox o where o.audit_id = wanted.id::uuid)`;
    return new Set(rows.map(({ id }) => id));
  });
}
