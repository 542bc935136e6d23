/** The object must be restored before anybody can read it. */
export const archivedCode = 'InvalidObjectState';

/**
 * Whether a store may answer this to one object while it serves others: the object is archived, not permitted, or encrypted with a key that
 * these credentials may not use.
 */
export function mayBeOfOneObject({ code }: { readonly code: string }): boolean {
  return code === 'AccessDenied' || code === archivedCode || code.startsWith('KMS.');
}
