import type { Request } from 'express';

/** The template of the route that matched a request, such as `/audit/:id`; `other` when no route matched. */
export function routeTemplate({ route, baseUrl }: Request): string {
  const path: unknown = route?.path;
  if (typeof path !== 'string') return 'other';
  return baseUrl === '' ? path : baseUrl + path;
}
