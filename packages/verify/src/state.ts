import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { UsageError } from './usage-error.ts';

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

/** Null when there is no file yet. Throws UsageError for a file that is not a state. */
export async function readState(file: string): Promise<VerifyState | null> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}.`);
  }
  const state = parse(text);
  if (state === null) throw new UsageError(`${file} is not a state file of this command.`);
  return state;
}

function parse(text: string): VerifyState | null {
  try {
    const state = JSON.parse(text) as VerifyState;
    const { size, contentSize } = state;
    const isWhole = Number.isSafeInteger(size) && Number.isSafeInteger(contentSize) && contentSize <= size;
    return state.version === 1 && isWhole && /^[0-9a-f]{64}$/.test(state.root) && state.origin !== '' ? state : null;
  } catch {
    return null;
  }
}

/** Written by rename, so that a crash leaves the earlier state. Throws UsageError. */
export async function writeState(file: string, state: Omit<VerifyState, 'version' | 'by'>): Promise<void> {
  const by = `${hostname()} ${new Date().toISOString()}`;
  try {
    await writeFile(`${file}.new`, `${JSON.stringify({ version: 1, ...state, by }, null, 2)}\n`);
    await rename(`${file}.new`, file);
  } catch (error) {
    throw new UsageError(`${file} cannot be written: ${(error as Error).message}.`);
  }
}
