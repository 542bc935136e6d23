import { root } from '../place/prefix.ts';
import { readIdToken } from './id-token.ts';
import type { SignInIssuer } from './issuer.ts';

/*
 * Sign-in at an issuer: authorization code with PKCE (RFC 7636, S256), for a public client. The browser has no secret. What it
 * keeps until the answer is in this tab alone, and is used once.
 */

/** What is kept while the browser is at the issuer. */
interface Begun {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** Below `/ui`: where the reader was. */
  readonly returnTo: string;
}

interface Metadata {
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
}

const stored = 'auditbox-sign-in';

/** Where the issuer sends the browser back to. */
export const answerPath = '/signed-in';

/** A sign-in that did not succeed, with a sentence for the reader. */
class SignInError extends Error {}

/** Leaves the page for the issuer. */
export async function beginSignIn(at: SignInIssuer, returnTo: string): Promise<never> {
  // Browsers have it over https and on the own machine.
  if (!globalThis.crypto?.subtle) throw new SignInError('Signing in at the issuer needs this page over https.');
  const { authorizationEndpoint } = await readMetadata(at.issuer);
  const begun: Begun = { state: randomText(), nonce: randomText(), verifier: randomText(), returnTo };
  sessionStorage.setItem(stored, JSON.stringify(begun));
  const address = new URL(authorizationEndpoint);
  const parameters: readonly (readonly [string, string])[] = [
    ...at.parameters,
    ['response_type', 'code'],
    ['client_id', at.clientId],
    ['redirect_uri', redirectUri()],
    ['scope', at.scopes.join(' ')],
    ['state', begun.state],
    ['nonce', begun.nonce],
    ['code_challenge', await hashOf(begun.verifier)],
    ['code_challenge_method', 'S256'],
  ];
  for (const [name, value] of parameters) address.searchParams.set(name, value);
  location.assign(address);
  // The browser is on its way.
  return new Promise(() => {});
}

/** Makes a token of the issuer's answer in the address. The answer is worth something only to the tab that asked for it. */
export async function finishSignIn(
  at: SignInIssuer,
  answer: URLSearchParams,
): Promise<{ readonly token: string; readonly returnTo: string }> {
  const begun = takeBegun();
  if (begun === null || answer.get('state') !== begun.state)
    throw new SignInError('This answer of the issuer belongs to no sign-in of this tab. Sign in again.');
  const from = answer.get('iss');
  if (from !== null && from !== at.issuer) throw new SignInError(`The answer came from ${from}. Sign in again.`);
  const problem = answer.get('error');
  if (problem !== null) throw new SignInError(`The issuer says: ${answer.get('error_description') ?? problem}`);
  const { tokenEndpoint } = await readMetadata(at.issuer);
  const resource = at.parameters.filter(([name]) => name === 'resource').map((pair) => [...pair]);
  const form = new URLSearchParams([
    ...resource,
    ['grant_type', 'authorization_code'],
    ['code', answer.get('code') ?? ''],
    ['redirect_uri', redirectUri()],
    ['client_id', at.clientId],
    ['code_verifier', begun.verifier],
  ]);
  const tokens = await ask(tokenEndpoint, { method: 'POST', body: form });
  const { access_token: token, id_token: idToken } = tokens;
  if (typeof token !== 'string' || typeof idToken !== 'string')
    throw new SignInError('The issuer gave no token. Is openid one of AUDIT_OIDC_CLIENT_SCOPES?');
  const wrong = readIdToken(idToken, { issuer: at.issuer, clientId: at.clientId, nonce: begun.nonce });
  if (wrong !== null) throw new SignInError(`The token of the issuer is not for this sign-in: ${wrong}.`);
  return { token, returnTo: begun.returnTo };
}

function redirectUri(): string {
  return `${location.origin}${root}${answerPath}`;
}

function takeBegun(): Begun | null {
  const text = sessionStorage.getItem(stored);
  sessionStorage.removeItem(stored);
  return JSON.parse(text ?? 'null') as Begun | null;
}

/** The page's policy allows calls of the issuer's origin alone, so both addresses must be there. */
async function readMetadata(issuer: string): Promise<Metadata> {
  const metadata = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { authorization_endpoint: authorizationEndpoint, token_endpoint: tokenEndpoint } = metadata;
  if (metadata.issuer !== issuer) throw new SignInError(`The issuer calls itself ${String(metadata.issuer)}.`);
  const { origin } = new URL(issuer);
  for (const address of [authorizationEndpoint, tokenEndpoint]) {
    if (typeof address !== 'string' || !URL.canParse(address) || new URL(address).origin !== origin)
      throw new SignInError(`An address of the issuer is not at ${origin}: ${String(address)}.`);
  }
  return { authorizationEndpoint: String(authorizationEndpoint), tokenEndpoint: String(tokenEndpoint) };
}

async function ask(url: string, init: RequestInit = {}): Promise<Readonly<Record<string, unknown>>> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, credentials: 'omit', redirect: 'error', cache: 'no-store' });
  } catch {
    throw new SignInError(`${url} cannot be reached from this page, or does not allow calls from it (CORS).`);
  }
  const body = (await response.json().catch(() => ({}))) as Readonly<Record<string, unknown>>;
  if (response.ok) return body;
  throw new SignInError(`The issuer says: ${String(body.error_description ?? body.error ?? response.status)}`);
}

function randomText(): string {
  return encode(crypto.getRandomValues(new Uint8Array(32)));
}

async function hashOf(text: string): Promise<string> {
  return encode(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));
}

function encode(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
