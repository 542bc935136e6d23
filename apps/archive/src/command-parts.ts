import type { Archive } from './bucket/archive.ts';
import type { Progress } from './progress.ts';
import type { ArchiveSettings } from './settings.ts';
import type { Write } from './write-to.ts';

/** What every command works with. */
export interface CommandParts {
  readonly archive: Archive;
  readonly settings: ArchiveSettings;
  readonly progress: Progress;
  /** The result, on standard output. */
  readonly write: Write;
  /** For people, on standard error. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}
