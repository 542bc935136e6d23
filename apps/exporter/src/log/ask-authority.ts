import { hash, randomBytes } from 'node:crypto';
import { formatTimestampRequest, parseTimestampAnswer } from '@auditbox/evidence/timestamp.ts';
import { askOutside } from './ask-outside.ts';

/** `answer`: the whole answer of the authority, as `openssl ts -verify -in` reads it. */
export type StampOutcome =
  | { readonly kind: 'stamped'; readonly answer: Buffer }
  | { readonly kind: 'failed'; readonly reason: string };

/** Asks a time-stamping authority (RFC 3161) to stamp the text of a checkpoint. */
export async function askAuthority(url: string, text: string, signal: AbortSignal): Promise<StampOutcome> {
  const imprint = hash('sha256', text, 'buffer');
  const nonce = randomBytes(8);
  nonce[0] = ((nonce[0] ?? 0) & 0x7f) | 0x40;
  const body = formatTimestampRequest(imprint, nonce);
  const answer = await askOutside(url, { type: 'application/timestamp-query', body }, signal);
  if (answer.kind === 'failed') return answer;
  if (answer.status !== 200) return { kind: 'failed', reason: `It answered ${answer.status}.` };
  const stamp = parseTimestampAnswer(answer.body);
  switch (stamp.kind) {
    case 'unreadable':
      return { kind: 'failed', reason: 'Its answer is not a time stamp of RFC 3161.' };
    case 'refused':
      return { kind: 'failed', reason: `It refused with the status ${stamp.status}.` };
    case 'stamped': {
      const isOurs = stamp.imprint.equals(imprint) && stamp.nonce?.equals(nonce) === true;
      if (!isOurs) return { kind: 'failed', reason: 'It stamped something else than was asked.' };
      return { kind: 'stamped', answer: answer.body };
    }
    default:
      return stamp satisfies never;
  }
}
