import { DatabaseError } from '@auditbox/db/database/database-error.ts';

/** Which cells answered lately. Events without an id are sent to those. */
export interface CellHealth {
  isUp(name: string): boolean;
  /** Passes the outcome of a statement in a cell on, and remembers whether the cell answered. */
  watch<T>(name: string, outcome: Promise<T>): Promise<T>;
}

/** A cell that failed is tried again after this long. */
const restMs = 5_000;

export function createCellHealth(): CellHealth {
  const restsUntil = new Map<string, number>();
  return {
    isUp: (name) => performance.now() >= (restsUntil.get(name) ?? 0),
    async watch(name, outcome) {
      try {
        const result = await outcome;
        restsUntil.delete(name);
        return result;
      } catch (error) {
        if (error instanceof DatabaseError && isDown(error)) restsUntil.set(name, performance.now() + restMs);
        throw error;
      }
    },
  };
}

/** Whether the error says something about the cell, and not about the statement. */
function isDown({ kind }: DatabaseError): boolean {
  return !['data', 'constraint', 'conflict', 'unexpected'].includes(kind);
}
