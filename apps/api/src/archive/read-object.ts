import type { ArchivedObject } from '@auditbox/db/archive/list-archived-batches.ts';
import type { LinesOutcome } from '@auditbox/s3/archived-lines.ts';
import type { ObjectContent } from '@auditbox/s3/read-content.ts';
import { archivedCode, mayBeOfOneObject } from '@auditbox/s3/refused-object.ts';
import { BrokenLineError } from '@auditbox/s3/split-lines.ts';
import { HttpProblem } from '../http/problem.ts';
import type { ArchiveStore } from './archive-store.ts';

export interface ObjectReader {
  readonly readLines: ArchiveStore['readLines'];
  readonly signal: AbortSignal;
}

/**
 * Reads an object to its end. `onLine` has seen all its lines, and they are those that were archived; otherwise this throws
 * a problem: no answer without its events, because it would look complete.
 */
export async function readObject(
  { readLines, signal }: ObjectReader,
  { key, sha256 }: Pick<ArchivedObject, 'key' | 'sha256'>,
  onLine: (line: Buffer, index: number) => void,
): Promise<ObjectContent> {
  signal.throwIfAborted();
  let index = -1;
  const take = (line: Buffer) => {
    index += 1;
    onLine(line, index);
  };
  const outcome = await readLines({ key, hash: sha256 }, take, signal).catch((error: unknown) => {
    const isOfLine = error instanceof SyntaxError || error instanceof BrokenLineError;
    throw isOfLine ? damaged(`The object ${key} has a line that is not an event.`) : error;
  });
  return requireRead(outcome, key);
}

function requireRead(outcome: LinesOutcome, key: string): ObjectContent {
  switch (outcome.kind) {
    case 'read':
      return outcome.content;
    case 'missing':
      throw damaged(`The object ${key} is missing in the archive.`);
    case 'altered':
      throw damaged(`The object ${key} does not have the lines that were archived.`);
    case 'error':
      if (outcome.code === archivedCode)
        throw refused(`The object ${key} lies in an archive class of the store. Restore it, and ask again.`);
      if (mayBeOfOneObject(outcome))
        throw refused(
          `The store refuses the object ${key} (${outcome.code}). Check the permissions of the api, and the key that encrypts it.`,
        );
      throw new HttpProblem(503, `The archive cannot be read now: the object ${key} was not read (${outcome.code}).`, {
        headers: { 'retry-after': '5' },
        code: 'archive-unavailable',
      });
    default:
      return outcome satisfies never;
  }
}

/** No answer without its events: it would look complete. */
function refused(what: string): HttpProblem {
  return new HttpProblem(500, `${what} Nothing is known about its events until then.`, { code: 'archive-refused' });
}

function damaged(what: string): HttpProblem {
  return new HttpProblem(500, `${what} Check the archive with \`npm run verify-archive\`.`, {
    code: 'archive-damaged',
  });
}
