import type { RequestStep } from './request-step.ts';

/**
 * The path of PUBLIC_URL as links begin with it: without a slash at its end, and with every character escaped that means something
 * in HTML, a script or a header. Null: the URL has more than a path, or parts of the path are empty.
 */
export function readPathPrefix(publicUrl: string): string | null {
  const { pathname, search, hash, username, password } = new URL(publicUrl);
  if (`${search}${hash}${username}${password}` !== '' || /[?#]$/.test(publicUrl)) return null;
  const path = pathname.replace(/\/$/, '');
  if (path === '') return '';
  const parts = path.slice(1).split('/').map(decodePart);
  if (parts.some((part) => part === null || part === '' || /\p{Cc}/u.test(part))) return null;
  return parts.map((part) => `/${encodePart(part as string)}`).join('');
}

/**
 * Removes the path of PUBLIC_URL from a request, if a proxy passed it on. A proxy may write its characters in another way. A path
 * such as `/audit` is also the beginning of routes: `/audit/stats` stays as it is, because nothing begins with `/stats`, and
 * `/audit/audit/stats` does not. `firstParts` are the first parts of all paths.
 */
export function removePrefix(prefix: string, firstParts: ReadonlySet<string>): RequestStep {
  const wanted = prefix.split('/').slice(1).map(decodePart);
  return (request) => {
    if (prefix === '') return;
    const [, path = '', search = ''] = /^([^?]*)(.*)$/s.exec(request.url) ?? [];
    const parts = path.split('/');
    const isBelow = wanted.every((part, index) => decodePart(parts[index + 1] ?? '') === part);
    const rest = parts.slice(wanted.length + 1);
    const [first = ''] = rest;
    // The path alone is the front door, unless it is a route.
    const isOurs = first === '' ? !firstParts.has(wanted[0] ?? '') : firstParts.has(first);
    if (isBelow && isOurs) request.url = `/${rest.join('/')}${search}`;
  };
}

function decodePart(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

function encodePart(part: string): string {
  return encodeURIComponent(part).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}
