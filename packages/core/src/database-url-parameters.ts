/** Why the text is not a URL of a database. The message is one sentence and has no password. */
export class DatabaseUrlError extends Error {
  override readonly name = 'DatabaseUrlError';
  readonly code = 'BAD_DATABASE_URL';
}

/** The parameters of a URL that nobody took yet. An empty one is as if it were not there. */
export interface Parameters {
  take(name: string): string | undefined;
  left(): string[];
}

export function readParameters(query: string): Parameters {
  const values = new Map<string, string>();
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [name = '', ...value] = pair.split('=');
    values.set(decode(name, 'parameters'), decode(value.join('='), 'parameters'));
  }
  return {
    take(name) {
      const value = values.get(name);
      values.delete(name);
      return value === '' ? undefined : value;
    },
    left: () => [...values.keys()],
  };
}

export function choose<T extends string>(parameters: Parameters, name: string, options: readonly T[]): T | undefined {
  const value = parameters.take(name);
  if (value === undefined || options.includes(value as T)) return value as T | undefined;
  throw new DatabaseUrlError(
    `its parameter \`${name}\` is ${JSON.stringify(value)}; it must be ${options.join(', ')}.`,
  );
}

export function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new DatabaseUrlError(`its ${what} has a % that begins no percent-encoding; write %25 for %.`);
  }
}
