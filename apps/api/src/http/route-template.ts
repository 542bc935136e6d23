import type { Request } from 'express';

/** The template of the route that took a request, such as `/audit/:id`; `other` when none of ours did. */
export function routeOf({ route, baseUrl }: Request): string {
  const path: unknown = route?.path;
  if (typeof path !== 'string') return 'other';
  return baseUrl === '' ? path : baseUrl + path;
}
