import { existsSync } from 'node:fs';

/** One command of the program `auditbox`. */
export interface Subcommand {
  readonly name: string;
  /** One line for `auditbox --help`. */
  readonly about: string;
  /** The module that does it. It reads `process.argv`. */
  readonly file: URL;
  /** Arguments before those of the caller. */
  readonly args: readonly string[];
  /**
   * The setting without which it works with the Auditbox of `npm start`, if one runs. Null never does.
   */
  readonly unless: 'DATABASE_URL' | 'AWS_ACCESS_KEY_ID' | 'S3_BUCKET' | null;
  /** Whether the module itself warns about unknown settings, in its log. */
  readonly logsWarnings: boolean;
  /** Whether the module itself decides what happens when nobody reads its output any more. */
  readonly endsWithReader: boolean;
  /** Whether the module itself decides what a signal ends. */
  readonly endsWithSignal: boolean;
}

const root = new URL('../../../', import.meta.url);

function subcommand(name: string, about: string, path: string, given: Partial<Subcommand> = {}): Subcommand {
  return {
    ...{ name, about, file: new URL(path, root), args: [], unless: 'DATABASE_URL' },
    ...{ logsWarnings: true, endsWithReader: false, endsWithSignal: true },
    ...given,
  };
}

const exporter = 'apps/exporter/src/main.ts';
const prints = { logsWarnings: false, endsWithSignal: false };

/** All commands, in the order in which `--help` lists them. */
export const subcommands: readonly Subcommand[] = [
  subcommand('start', 'runs the whole system on this machine', 'packages/embedded/src/main.ts', {
    unless: null,
    endsWithReader: true,
  }),
  subcommand('api', 'takes and answers events over HTTP', 'apps/api/src/main.ts'),
  subcommand('exporter', 'brings events to S3 and to other destinations', exporter),
  subcommand('log', 'numbers, signs and publishes the log of batches', exporter, { args: ['--log'] }),
  subcommand('migrate', 'brings the schema of the database up to date', 'packages/db/src/main.ts', prints),
  subcommand('status', 'says what is behind, what is stuck and what to do', 'apps/exporter/src/status-main.ts'),
  subcommand('doctor', 'says what is wrong with database and bucket', exporter, { args: ['--doctor'] }),
  subcommand('destinations', 'lists, tries, pauses, replays destinations', 'apps/exporter/src/destinations-main.ts'),
  subcommand('retention', 'removes old months that are whole in the bucket', exporter, { args: ['--retention'] }),
  subcommand('keys', 'creates, lists, rotates and revokes keys of the api', 'apps/api/src/keys/main.ts', prints),
  subcommand('capture', 'records every change of a table by triggers', 'packages/db/src/capture/main.ts', prints),
  subcommand('verify', 'checks a copy of the bucket offline', 'packages/verify/src/main.ts', {
    unless: 'AWS_ACCESS_KEY_ID',
    endsWithReader: true,
    endsWithSignal: false,
  }),
  subcommand('archive', 'asks, restores and compacts what is in the bucket', 'apps/archive/src/main.ts', {
    unless: 'S3_BUCKET',
    logsWarnings: false,
    endsWithReader: true,
  }),
];

/** Whether the module is in this installation. An image has the modules of one process. */
export function isInstalled({ file }: Subcommand): boolean {
  return existsSync(file);
}
