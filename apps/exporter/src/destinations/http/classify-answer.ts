import type { Outcome } from '@auditbox/destination-kit/destination.ts';
import type { HttpAnswer } from './http-client.ts';

/** How a receiver's answers differ from the usual ones. A status that stands in two lists counts for the first of them. */
export interface AnswerRules {
  /** The same request may succeed later. */
  readonly retried?: readonly number[];
  /** A person must change something first. */
  readonly blocked?: readonly number[];
}

/**
 * What an answer means. 2xx: the receiver has the request. 413: it is too large. 408, 425, 429, 5xx: the same request may
 * succeed later. All others (redirects too) block the destination: it is probed and resumes alone, and no event is given up.
 */
export function classifyAnswer(
  { status, headers, text }: Pick<HttpAnswer, 'status' | 'headers' | 'text'>,
  { retried = [], blocked = [] }: AnswerRules = {},
  now = Date.now(),
): Outcome {
  if (status >= 200 && status < 300) return { kind: 'taken' };
  const reason = describeAnswer(status, text);
  const code = String(status);
  const retry: Outcome = { kind: 'retry', code, reason, afterMs: retryAfterMs(headers['retry-after'], now) };
  if (retried.includes(status)) return retry;
  if (blocked.includes(status)) return { kind: 'blocked', code, reason };
  if (status === 413) return { kind: 'too-large' };
  const isTransient = status === 408 || status === 425 || status === 429 || status >= 500;
  return isTransient ? retry : { kind: 'blocked', code, reason };
}

const mostShown = 200;

/** What a receiver said, short enough for a log line. */
export function describeAnswer(status: number, text: string): string {
  const said = text.replaceAll(/\s+/g, ' ').trim();
  const shown = said.length > mostShown ? `${said.slice(0, mostShown).toWellFormed()}…` : said;
  return shown === '' ? `The receiver answered ${status}.` : `The receiver answered ${status}: ${shown}`;
}

/** `Retry-After` is seconds or a date. 0 without one, or with one that nobody can read. */
function retryAfterMs(header: string | undefined, now: number): number {
  if (header === undefined) return 0;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}
