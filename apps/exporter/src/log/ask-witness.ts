import { findCosignature, formatAddCheckpoint, sizeType } from '@auditbox/evidence/add-checkpoint.ts';
import type { Witness } from '@auditbox/evidence/witness-policy.ts';
import { askOutside } from './ask-outside.ts';

export interface PublishedCheckpoint {
  readonly size: number;
  /** The body of the note. */
  readonly text: string;
  readonly note: string;
}

/** `seen`: the size that the witness knows now. */
export type WitnessOutcome =
  | { readonly kind: 'cosigned'; readonly line: string; readonly seen: number }
  /** It saw a larger log of this name. Somebody signs another log, or the database was restored. */
  | { readonly kind: 'ahead'; readonly seen: number }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * Asks a witness to cosign a checkpoint. It learns from the witness what it saw before: `seen` is only a guess.
 * `prove` makes the proof from an earlier size.
 */
export async function askWitness(
  { key, url }: Witness & { readonly url: string },
  { checkpoint, seen }: { readonly checkpoint: PublishedCheckpoint; readonly seen: number },
  prove: (oldSize: number) => Promise<readonly Buffer[]>,
  signal: AbortSignal,
): Promise<WitnessOutcome> {
  const { size, text, note } = checkpoint;
  let old = Math.min(seen, size);
  // A second answer of 409 means that somebody else hands in checkpoints at this moment.
  for (let tries = 0; tries < 3; tries += 1) {
    const body = formatAddCheckpoint(old, await prove(old), note);
    const answer = await askOutside(`${url}/add-checkpoint`, { type: 'text/plain', body }, signal);
    if (answer.kind === 'failed') return answer;
    const said = answer.body.toString();
    if (answer.status === 200) {
      const line = findCosignature(said, text, key);
      if (line !== null) return { kind: 'cosigned', line, seen: size };
      return { kind: 'failed', reason: 'The answer has no signature of its key that holds.' };
    }
    const known = answer.status === 409 && answer.type === sizeType ? /^(\d{1,15})\n?$/.exec(said)?.[1] : undefined;
    if (known === undefined) return { kind: 'failed', reason: `It answered ${answer.status}: ${shorten(said)}` };
    old = Number(known);
    if (old > size) return { kind: 'ahead', seen: old };
  }
  return { kind: 'failed', reason: 'It said three times that it knows another size.' };
}

/** One line of what others wrote, for a log line. */
function shorten(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, 200);
}
