import { randomUUID } from 'node:crypto';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { within } from '@auditbox/core/within.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { ValidKey } from '@auditbox/db/keys/find-keys.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { CellHealth } from './cell-health.ts';
import { CellsDifferError } from './cells-differ-error.ts';
import { firstAnswers, type Outcome } from './first-answers.ts';

export interface CellKeys {
  readonly name: string;
  readonly keys: KeyStore;
}

/** A cell may answer this much later than the first one. */
const graceMs = 1_000;

/**
 * The keys of several cells. Each cell has every key under the same id. A change is made in all cells, in the first one last:
 * the first cell that answers decides what a key may do. But a key that is revoked in one cell works nowhere: a cell may have
 * been down when the key was revoked. A key that the first cell does not have, and another one has, is not a mistake of the caller: the
 * first one was restored from a backup, or its clock is ahead. Nobody may use such a key, because it may be one that was replaced.
 */
export function createCellKeyStore(cells: readonly CellKeys[], health: CellHealth): KeyStore {
  const firstIsLast = cells.toReversed();

  /** The cells that may be asked now: those that answer, or all if none does. */
  function listUp(): readonly CellKeys[] {
    const up = cells.filter(({ name }) => health.isUp(name));
    return up.length > 0 ? up : cells;
  }

  /** Asks the cells in their order, the next one when one fails or does not answer for a second. The first answer counts. */
  async function ask<T>(question: (keys: KeyStore, name: string) => Promise<T>): Promise<T> {
    const up = listUp();
    const asked: Promise<T>[] = [];
    for (const { name, keys } of [...up, ...cells.filter((cell) => !up.includes(cell))]) {
      asked.push(health.watch(name, question(keys, name)));
      const outcomes = await within<readonly Outcome<T>[]>(graceMs, firstAnswers(asked, 0), () => []);
      const answer = outcomes.find((outcome) => outcome?.status === 'fulfilled');
      if (answer?.status === 'fulfilled') return answer.value;
      for (const outcome of outcomes)
        if (outcome?.status === 'rejected' && !(outcome.reason instanceof DatabaseError)) throw outcome.reason;
    }
    return Promise.any(asked).catch((error: AggregateError) => {
      throw error.errors[0];
    });
  }

  async function findEverywhere(keyHash: string): Promise<ValidKey | 'revoked' | null> {
    const up = listUp();
    let failure: unknown;
    // Those that failed a moment ago may answer when the others do not.
    for (const group of [up, cells.filter((cell) => !up.includes(cell))]) {
      const lookUps = group.map(({ name, keys }) => health.watch(name, keys.find(keyHash)));
      const outcomes = await firstAnswers(lookUps, graceMs);
      const answers = group.flatMap(({ keys }, index) => {
        const outcome = outcomes[index];
        if (outcome?.status === 'rejected') failure ??= outcome.reason;
        return outcome?.status === 'fulfilled' ? [{ name: group[index]?.name ?? '', keys, found: outcome.value }] : [];
      });
      if (answers.some(({ found }) => found === 'revoked')) {
        for (const { keys, found } of answers) revokeLate(keys, found);
        return 'revoked';
      }
      const [first, ...others] = answers;
      const elsewhere = others.find(({ found }) => found !== null && found !== 'revoked' && isAlive(found));
      if (first?.found === null && elsewhere !== undefined)
        throw new CellsDifferError(
          `The cell ${elsewhere.name} has a valid key that the cell ${first.name} does not have, or that has ended there. If their clocks are right, run \`npm run migrate\` with a DATABASE_CELLS that begins with ${elsewhere.name}; it copies the keys.`,
        );
      if (first !== undefined) return first.found;
    }
    throw failure;
  }

  /** In a cell that was down when the key was revoked. */
  function revokeLate(keys: KeyStore, found: ValidKey | 'revoked' | null): void {
    if (found === null || found === 'revoked') return;
    // It works nowhere in any case; the next look-up tries again.
    keys.revoke(found.keyId, null).catch(() => {});
  }

  async function revokeEverywhere(keyId: string, by: Parameters<KeyStore['revoke']>[1]): Promise<boolean> {
    // In each cell that answers, because a key that is half revoked is better than one that is valid.
    const outcomes = await Promise.allSettled(firstIsLast.map(({ keys }) => keys.revoke(keyId, by)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    return outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value);
  }

  return {
    find: findEverywhere,
    findNamed: (name) => ask((keys) => keys.findNamed(name)),
    async findStored(keyId, tenant) {
      const found = await ask((keys) => keys.findStored(keyId, tenant));
      if (found !== null) return found;
      // The first cell may have lost it. The others have not, so one of them is enough to know that nobody has it.
      const lookUps = cells.map(({ name, keys }) => health.watch(name, keys.findStored(keyId, tenant)));
      const outcomes = await firstAnswers(lookUps, graceMs);
      for (const outcome of outcomes)
        if (outcome?.status === 'fulfilled' && outcome.value !== null) return outcome.value;
      const [first, ...others] = outcomes;
      if (others.length === 0 || others.some((outcome) => outcome?.status === 'fulfilled')) return null;
      for (const outcome of [first, ...others]) if (outcome?.status === 'rejected') throw outcome.reason;
      throw Object.assign(DatabaseError.silent(graceMs), { cell: cells[1]?.name ?? null });
    },
    list(query) {
      const read = async (keys: KeyStore, cell: string) => {
        const { next, ...page } = await keys.list(query);
        return { ...page, next: next && { ...next, cell } };
      };
      // A place in the rows of one cell would leave out keys of another, or repeat them.
      const begun = cells.find(({ name }) => name === query.after?.cell);
      return begun === undefined ? ask(read) : health.watch(begun.name, read(begun.keys, begun.name));
    },
    async create(key, by) {
      const named = await Promise.all(cells.map(({ keys }) => keys.findNamed(key.name)));
      if (named.flat().some(({ tenant }) => tenant === key.tenant)) return null;
      const id = randomUUID();
      try {
        for (const { name, keys } of firstIsLast) requireChange(name, await keys.create({ ...key, id }, by));
        return id;
      } catch (error) {
        // Nobody has seen the key. What cannot be revoked now keeps its name taken, and is revoked by hand.
        await revokeEverywhere(id, by).catch(() => {});
        throw error;
      }
    },
    async rotate(keyId, secret, overlapS, by) {
      const known = await Promise.all(cells.map(({ keys }) => keys.findStored(keyId, allTenants)));
      const isValid = known.map((key) => key !== null && key.revokedAt === null);
      if (!isValid.includes(true)) return false;
      for (const [index, { name }] of cells.entries()) requireChange(name, isValid[index]);
      for (const { name, keys } of firstIsLast) requireChange(name, await keys.rotate(keyId, secret, overlapS, by));
      return true;
    },
    revoke: revokeEverywhere,
    async noteUse(uses) {
      // A cell ignores the rows of others.
      const outcomes = await Promise.allSettled(cells.map(({ keys }) => keys.noteUse(uses)));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    },
  };
}

/** By the clock of this process. In a cell whose clock is behind, a key lives longer. */
function isAlive({ expiresAtMs }: ValidKey): boolean {
  return expiresAtMs === null || expiresAtMs > Date.now();
}

function requireChange(cell: string, done: string | boolean | null | undefined): void {
  if (done === null || done === false || done === undefined)
    throw new CellsDifferError(
      `The cell ${cell} has other keys than the other cells. Run \`npm run migrate\` with DATABASE_CELLS; it copies them.`,
    );
}
