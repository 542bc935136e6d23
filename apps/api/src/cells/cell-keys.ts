import { randomUUID } from 'node:crypto';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { KeyStore } from '../keys/key-store.ts';
import type { CellHealth } from './cell-health.ts';
import { CellsDifferError } from './cells-differ-error.ts';

export interface CellKeys {
  readonly name: string;
  readonly keys: KeyStore;
}

/**
 * The keys of several cells. Each cell has every key under the same id. A change is made in all cells, in the first one last:
 * the first cell that answers decides what a key may do, so that a key which is revoked there is revoked.
 */
export function createCellKeyStore(cells: readonly CellKeys[], health: CellHealth): KeyStore {
  const firstIsLast = cells.toReversed();

  /** Asks the cells one after the other until one answers. */
  async function ask<T>(question: (keys: KeyStore, name: string) => Promise<T>): Promise<T> {
    const up = cells.filter(({ name }) => health.isUp(name));
    let failure: unknown;
    for (const { name, keys } of [...up, ...cells.filter((cell) => !up.includes(cell))]) {
      try {
        return await health.watch(name, question(keys, name));
      } catch (error) {
        if (!(error instanceof DatabaseError)) throw error;
        failure ??= error;
      }
    }
    throw failure;
  }

  async function revokeEverywhere(keyId: string, by: Parameters<KeyStore['revoke']>[1]): Promise<boolean> {
    // In each cell that answers, because a key that is half revoked is better than one that is valid.
    const outcomes = await Promise.allSettled(firstIsLast.map(({ keys }) => keys.revoke(keyId, by)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
    return outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value);
  }

  return {
    find: (keyHash) => ask((keys) => keys.find(keyHash)),
    findNamed: (name) => ask((keys) => keys.findNamed(name)),
    findStored: (keyId, tenant) => ask((keys) => keys.findStored(keyId, tenant)),
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
      if (!isValid[0]) return false;
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

function requireChange(cell: string, done: string | boolean | null | undefined): void {
  if (done === null || done === false || done === undefined)
    throw new CellsDifferError(
      `The cell ${cell} has other keys than the other cells. Run \`npm run migrate\` with DATABASE_CELLS; it copies them.`,
    );
}
