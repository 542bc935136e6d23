import type { HttpAnswer } from './http-client.ts';

/**
 * Whether a success may come from the receiver. Receivers of logs answer with a JSON object or with nothing; a login page or a
 * proxy answers with something else.
 */
export function isFromReceiver(answer: HttpAnswer): boolean {
  return answer.text.trim() === '' || jsonAnswer(answer) !== null;
}

/** The JSON object in an answer; null if there is no such object, as from a login page or a proxy. */
export function jsonAnswer({ text }: HttpAnswer): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
