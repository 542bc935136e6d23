import { plainAddress } from '@auditbox/process/network-of.ts';
import type { Request } from 'express';

/** Where a request comes from. */
export function addressOf(request: Request): string {
  return plainAddress(request.ip ?? '');
}
