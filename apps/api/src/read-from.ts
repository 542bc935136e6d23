import type { Request } from 'express';

/** Which server answers a read. */
export type Reader = 'primary' | 'replica';

/**
 * Reads go to the replica unless the caller must see its own write: `Prefer: read-primary` (RFC 7240,
 * https://www.rfc-editor.org/rfc/rfc7240).
 */
export function readFrom(request: Request): Reader {
  const preferences = (request.get('prefer') ?? '').toLowerCase().split(/[,;]/);
  return preferences.some((preference) => preference.trim() === 'read-primary') ? 'primary' : 'replica';
}
