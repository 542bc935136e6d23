import type { Database } from './connect.ts';
import { createFairTurns, type TurnLimits } from './fair-turns.ts';

/**
 * The same pool with a queue in front, from which holders get turns. A statement's deadline begins when its turn comes; in the
 * driver's own queue it would run out before the statement is sent, and the statements of one holder would be in front of all others.
 */
export function queueStatements(db: Database, limits: TurnLimits): Database {
  const turns = createFairTurns(limits);
  return Object.create(db, {
    query: { value: (send: Parameters<Database['query']>[0]) => turns.run(() => db.query(send)) },
    statements: { get: () => db.statements + turns.waiting },
  }) as Database;
}
