/**
 * Checks an ID token that came straight from the issuer's token endpoint. TLS says who sent it, so its signature need not
 * (OpenID Connect Core 1.0, 3.1.3.7, step 6). Null: it is right. Otherwise what is wrong, in words.
 */
export function readIdToken(
  token: string,
  expected: { readonly issuer: string; readonly clientId: string; readonly nonce: string },
): string | null {
  const claims = decode(token);
  if (claims === null) return 'it cannot be read';
  const { iss, aud, exp, nonce } = claims;
  if (iss !== expected.issuer) return 'another issuer made it';
  if (!(Array.isArray(aud) ? aud : [aud]).includes(expected.clientId)) return 'it is for another client';
  if (nonce !== expected.nonce) return 'it answers another request';
  if (typeof exp !== 'number' || exp * 1000 < Date.now() - clockToleranceMs) return 'it has expired';
  return null;
}

/** The clock of this machine may be off. */
const clockToleranceMs = 300_000;

function decode(token: string): Readonly<Record<string, unknown>> | null {
  const [, part = ''] = token.split('.');
  try {
    const binary = atob(part.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
}
