import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/**
 * What an earlier run has verified. Keep it where the exporter cannot write: with it a later run sees that the log became
 * shorter, or another one.
 */
export interface VerifyState {
  readonly version: 1;
  readonly origin: string;
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly root: string;
  /** Entries below it had their objects read and found right. */
  readonly contentSize: number;
  readonly level: 'log' | 'head' | 'content' | 'events';
  /** Where and when, for people. */
  readonly by: string;
}

/** Null when there is no file yet. Throws an error with a sentence for a file that is not a state. */
export async function readState(file: string): Promise<VerifyState | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const state = parse(text);
  if (state === null) throw new Error(`${file} is not a state file of this command.`);
  return state;
}

function parse(text: string): VerifyState | null {
  try {
    const state = JSON.parse(text) as VerifyState;
    const isWhole = Number.isSafeInteger(state.size) && Number.isSafeInteger(state.contentSize);
    return state.version === 1 && isWhole && /^[0-9a-f]{64}$/.test(state.root) && state.origin !== '' ? state : null;
  } catch {
    return null;
  }
}

/** Written by rename, so that a crash leaves the earlier state. */
export async function writeState(file: string, state: Omit<VerifyState, 'version' | 'by'>): Promise<void> {
  const by = `${hostname()} ${new Date().toISOString()}`;
  await writeFile(`${file}.new`, `${JSON.stringify({ version: 1, ...state, by }, null, 2)}\n`);
  await rename(`${file}.new`, file);
}
