import type { Request, RequestHandler, Response } from 'express';

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

/**
 * Says of each answer where it came from: with a replica, `Auditbox-Replica-Lag-Ms`, or `Preference-Applied: read-primary`
 * where the caller asked for that.
 */
export function sayReader(lagMs: () => Promise<number | null>): RequestHandler {
  const say = async (request: Request, response: Response): Promise<void> => {
    if (readFrom(request) === 'primary') {
      response.setHeader('preference-applied', 'read-primary');
      return;
    }
    const lag = await lagMs();
    if (lag !== null) response.setHeader('auditbox-replica-lag-ms', Math.round(lag));
  };
  return (request, response, next) => {
    if (request.method !== 'GET') next();
    else say(request, response).then(() => next(), next);
  };
}
