/** A value whose `${NAME}` were replaced, the paths that held one, the variables that are not set, and other texts with `${`. */
export interface Substituted {
  readonly value: unknown;
  /** As `secrets[0]`. Their values come from the environment, so no message shows them. */
  readonly secretPaths: ReadonlySet<string>;
  readonly unset: readonly { readonly path: string; readonly variable: string }[];
  /** Paths of texts such as `${NAME:-none}`, which would be sent as they are. */
  readonly malformed: readonly string[];
}

const reference = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** Replaces each `${NAME}` in the texts of a JSON value by the variable of that name. */
export function substitute(value: unknown, environment: Readonly<Record<string, string | undefined>>): Substituted {
  const secretPaths = new Set<string>();
  const unset: { path: string; variable: string }[] = [];
  const malformed: string[] = [];

  function replace(part: unknown, path: string): unknown {
    if (typeof part === 'string') {
      if (part.replaceAll(reference, '').includes('${')) malformed.push(path);
      return part.replaceAll(reference, (_, variable: string) => {
        secretPaths.add(path);
        const found = environment[variable];
        if (found === undefined || found === '') unset.push({ path, variable });
        return found ?? '';
      });
    }
    if (Array.isArray(part)) return part.map((element, index) => replace(element, `${path}[${index}]`));
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(
      Object.entries(part).map(([name, member]) => [name, replace(member, path === '' ? name : `${path}.${name}`)]),
    );
  }

  return { value: replace(value, ''), secretPaths, unset, malformed };
}
