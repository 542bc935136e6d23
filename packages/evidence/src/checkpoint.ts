import { fromBase64 } from './base64.ts';
import { hashBytes } from './merkle.ts';

/** The body of a checkpoint (C2SP tlog-checkpoint 1.0.0). It is signed as a note. */
export interface Checkpoint {
  readonly origin: string;
  /** Entries of the log. */
  readonly size: number;
  readonly root: Buffer;
}

export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`;
}

/** Null for another form, and for extension lines, which no monitor could check. */
export function parseCheckpoint(text: string): Checkpoint | null {
  const [, origin = '', digits = '', base64 = ''] =
    /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/]{43}=)\n$/.exec(text) ?? [];
  const [size, root] = [Number(digits), fromBase64(base64)];
  if (origin === '' || !Number.isSafeInteger(size) || root.length !== hashBytes) return null;
  return { origin, size, root };
}
