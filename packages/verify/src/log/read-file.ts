import { type Archive, awaitRetry, FileRefusedError, tries, type UnreadPath } from '../archive/archive.ts';
import { type Finding, partly } from '../finding.ts';

export interface ReadParts {
  readonly archive: Archive;
  readonly report: (finding: Finding) => void;
}

/** A file of the log; undefined when this one cannot be read and others can. That is reported. */
export async function readOrReport({ archive, report }: ReadParts, path: string): Promise<Buffer | null | undefined> {
  try {
    return await archive.read(path);
  } catch (error) {
    if (!(error instanceof FileRefusedError)) throw error;
    report(unread({ path, reason: error.message }));
    return undefined;
  }
}

/**
 * A file of the log that a listing has shown. A store may list a file before it hands it out, so it is read again. Undefined when it
 * cannot be read; that is reported.
 */
export async function readListed(parts: ReadParts, path: string): Promise<Buffer | undefined> {
  for (let done = 1; ; done += 1) {
    const file = await readOrReport(parts, path);
    if (file !== null) return file;
    if (done === tries) break;
    await awaitRetry(done);
  }
  parts.report(unread({ path, reason: listedAndMissing }));
  return undefined;
}

/** The paths below a folder of the log, each once, and what cannot be looked at. The latter is reported. */
export async function listOrReport({ archive, report }: ReadParts, folder: string) {
  const paths = new Set<string>();
  const unreadPaths: string[] = [];
  const onUnread = (found: UnreadPath) => {
    unreadPaths.push(found.path);
    report(unread(found));
  };
  for await (const { path } of archive.list(folder, onUnread)) paths.add(path);
  return { paths, unread: unreadPaths };
}

export const listedAndMissing =
  'It was listed, and now it is missing. Something changes the archive: run this command again.';

function unread({ path, reason }: UnreadPath): Finding {
  return partly('log-file-unreadable', path, `Not checked. ${reason}`);
}
