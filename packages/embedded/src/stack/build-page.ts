import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../../../apps/dashboard/build.ts', import.meta.url));

/**
 * Builds the page that the api serves at `/ui`, while Postgres starts. Returns null, or why there is no new page: the rest of the
 * system works without it.
 */
export function buildPage(signal: AbortSignal): Promise<string | null> {
  return new Promise((done) => {
    execFile(process.execPath, [program], { signal }, (error, _stdout, stderr) =>
      done(error === null || signal.aborted ? null : `The page at /ui could not be built. ${stderr.trim()}`),
    );
  });
}
