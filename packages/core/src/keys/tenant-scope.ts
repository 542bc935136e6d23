declare const issued: unique symbol;

/**
 * Whose events a caller may see: a part of every filter and of every look-up, so that a read without it does not compile.
 * Only the two functions here make one.
 */
export type TenantScope = ({ readonly kind: 'all' } | { readonly kind: 'one'; readonly tenant: string }) & {
  readonly [issued]: true;
};

/** For callers that are bound to no tenant, and for processes of the operator. */
export const allTenants = Object.freeze({ kind: 'all' }) as TenantScope;

export function oneTenant(tenant: string): TenantScope {
  return Object.freeze({ kind: 'one', tenant }) as TenantScope;
}
