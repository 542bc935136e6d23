import type { Grant } from '@auditbox/core/keys/scopes.ts';

/** Which tokens of an issuer are valid here, and what they allow. */
export interface OidcSettings {
  /** Exactly as in the claim `iss`. */
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** The claim with the scopes: words in a text, or a list. */
  readonly scopeClaim: string;
  /** What else than our scopes may stand in that claim, and what it grants. */
  readonly scopeMap: ReadonlyMap<string, Grant>;
  /** Null: callers with a token are bound to no tenant. */
  readonly tenantClaim: string | null;
  /** Null: people sign in on the page with a key alone. */
  readonly page: {
    /** Of a public client: there is no secret. */
    readonly clientId: string;
    readonly scopes: readonly string[];
    /** Sent to the issuer as they are. */
    readonly parameters: readonly (readonly [string, string])[];
  } | null;
  readonly clockToleranceS: number;
  /** Unknown keys make the issuer's keys be read again at most once in this time. */
  readonly cooldownMs: number;
}
