/** What a caller may do. */
export type Scope = (typeof scopes)[number];

export const scopes = ['audit:read', 'audit:write', 'export:read', 'export:replay', 'keys:admin'] as const;

/** Names for several scopes at once. */
const bundles = {
  read: ['audit:read', 'export:read'],
  write: ['audit:write'],
  admin: scopes,
} as const satisfies Readonly<Record<string, readonly Scope[]>>;

/** What a key is given: scopes and bundles. */
export type Grant = Scope | keyof typeof bundles;

export const grants: readonly Grant[] = [...(Object.keys(bundles) as (keyof typeof bundles)[]), ...scopes];

export function isGrant(text: string): text is Grant {
  return (grants as readonly string[]).includes(text);
}

/** The scopes in a list of scopes and bundles. */
export function expandGrants(given: readonly Grant[]): ReadonlySet<Scope> {
  return new Set(
    given.flatMap((grant): readonly Scope[] =>
      grant in bundles ? bundles[grant as keyof typeof bundles] : [grant as Scope],
    ),
  );
}
