import { tmpdir } from 'node:os';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { printableLines } from '@auditbox/evidence/printable.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { untilWritten } from '@auditbox/process/until-written.ts';
import { withCommands } from '@auditbox/process/with-commands.ts';
import { ArchiveError, exitCodes } from './archive-error.ts';
import { type ArchiveCommand, parseArchiveCommand } from './cli.ts';
import { erase } from './commands/erase.ts';
import { createParts } from './compose.ts';
import { perform } from './perform.ts';
import { type ArchiveSettings, readArchiveSettings } from './settings.ts';
import { stopBySignals } from './stop-by-signals.ts';
import { writeTo } from './write-to.ts';

/* `npm run archive`: the commands about what is in the bucket. Standard output has the result, standard error the rest. */

/** Errors quote values and keys of strangers. */
const say = (text: string) => void process.stderr.write(withCommands(printableLines(text)));

// The reader may need no more, as in `… | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// Progress that nobody reads must not end the command.
process.stderr.on('error', () => {});

const write = (text: string) => void process.stdout.write(text);

const command = parseArchiveCommand(process.argv.slice(2));
const exitCode =
  command.kind === 'erase' ? erase({ say, write, json: command.json }) : await run(command, readSettings());
await untilWritten(process.stdout);
process.exit(exitCode);

function readSettings(): ArchiveSettings {
  try {
    return readArchiveSettings(process.env, tmpdir());
  } catch (error) {
    exitWith(error);
  }
}

async function run(given: Exclude<ArchiveCommand, { kind: 'erase' }>, settings: ArchiveSettings): Promise<number> {
  const stop = stopBySignals(say);
  const parts = createParts(settings, { write: writeTo(process.stdout, stop), say, signal: stop });
  try {
    return await perform(parts, given);
  } catch (thrown) {
    const error = stop.aborted ? stop.reason : thrown;
    say(`${explain(error)}\n`);
    return error instanceof ArchiveError ? error.exitCode : exitCodes.failed;
  }
}

/** One sentence; the stack of an error that nobody expected. */
function explain(error: unknown): string {
  if (error instanceof ArchiveError) return error.message;
  if (error instanceof DatabaseError) return error.sentence;
  const { message, stack } = error as Error;
  if (/\b(?:ENOSPC|EDQUOT)\b|No space left on device|Disk quota exceeded/.test(message))
    return `The disk of the cache is full, or your share of it (${message}). Free some space, or set ARCHIVE_CACHE_DIR to a folder elsewhere.`;
  if (message.startsWith('Out of Memory Error')) return 'DuckDB needs more memory: set a larger ARCHIVE_MEMORY_MB.';
  return stack ?? message;
}
