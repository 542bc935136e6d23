import { isSequenceBehind } from '../events/event-refused-error.ts';
import { isMonthMissing } from '../months/make-months.ts';
import type { DatabaseError } from './database-error.ts';

/** A person must change the login, the rights, the tables, the months, the sequence, the clock or this version first. */
export function needsOperator(error: DatabaseError): boolean {
  const isSetUpWrong = ['misconfigured', 'schema', 'newer schema'].includes(error.kind);
  // Months are made when an event needs them. Only a clock that is months ahead finds none.
  return isSetUpWrong || isSequenceBehind(error) || isMonthMissing(error);
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
