import { isSequenceBehind } from '../events/event-refused-error.ts';
import type { DatabaseError } from './database-error.ts';

/** A person must change the login, the rights, the tables, the sequence or this version first. */
export function needsOperator(error: DatabaseError): boolean {
  return ['misconfigured', 'schema', 'newer schema'].includes(error.kind) || isSequenceBehind(error);
}

/**
 * What is wrong with the database, in a sentence that anybody may read: without addresses, logins and names of databases, which
 * `DatabaseError.sentence` has for the log.
 */
export function publicSentence(error: DatabaseError): string {
  const place = error.cell === null ? 'The database' : `The cell ${error.cell}`;
  return `${place} ${describeState(error)} (${error.code}).`;
}

function describeState(error: DatabaseError): string {
  if (error.kind === 'newer schema') return 'has a schema that is too new for this version of Auditbox';
  if (needsOperator(error)) return 'is not set up correctly';
  if (error.code === '53100') return 'cannot write, because its disk is full';
  return error.kind === 'timeout' ? 'did not answer in time' : 'is not available now';
}
