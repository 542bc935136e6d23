/**
 * The part of an address below the page's root, such as `/events/0198…`. A browser keeps the characters of a path as they were
 * written, so `/it's` and `/it%27s` are one root. Without the proxy in front, which adds the path of PUBLIC_URL, the root is `/ui`.
 */
export function pathBelow(pathname: string, root: string): string {
  const parts = pathname.split('/');
  for (const wanted of [root.split('/'), ['', 'ui']])
    if (wanted.every((part, index) => decode(part) === decode(parts[index] ?? '')))
      return `/${parts.slice(wanted.length).join('/')}`;
  return pathname;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
