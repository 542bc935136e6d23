/*
 * Names as parts of a URL's path. Browsers, proxies and HTTP libraries resolve the parts `.` and `..`, also when they are
 * percent-encoded (WHATWG URL, section 4.1), so these two names are written with a `~` in front. Names that look like that get
 * another `~`, so that each name has a form that no other name has.
 */

export function writePathPart(name: string): string {
  return /^~*\.\.?$/.test(name) ? `~${name}` : encodeURIComponent(name);
}

/** The name that a decoded part stands for. */
export function readPathPart(part: string): string {
  return /^~+\.\.?$/.test(part) ? part.slice(1) : part;
}
