import type { Request } from 'express';

/** Where a request comes from. An IPv4 address is in its own form, also on a socket of IPv6. */
export function addressOf(request: Request): string {
  return (request.ip ?? '').replace(/^::ffff:(?=\d+\.)/, '');
}
