import type { Request } from 'express';

/** The key or token in the Authorization header, if any. */
export function readBearer(request: Request): string | undefined {
  return /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
