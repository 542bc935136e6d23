import { ApiProblem } from './api-problem.ts';

interface Answered<T> {
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

/** What was answered; throws ApiProblem for an error. */
export async function answerOf<T>(asked: Promise<Answered<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (!response.ok || data === undefined) throw new ApiProblem(response, error);
  return data;
}

/** Whether the same request can end well later: the api was not reached, or it said so, or something failed there. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ApiProblem) return error.status >= 500 || error.status === 429;
  // What fetch throws when there is no answer, or half of one.
  return error instanceof TypeError;
}
