import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

/** What a token of the tests says. */
interface TokenWishes {
  /** Separated by spaces. */
  readonly scope?: string;
  readonly audience?: string;
  /** Further claims, such as a tenant. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly lifetimeS?: number;
}

/** A real issuer of access tokens, in this process. */
export interface OidcIssuer {
  readonly url: string;
  /** How often its keys were asked for. */
  readonly keyRequests: () => number;
  /** A token by the grant of client credentials. Its subject is `robot`. */
  issue(wishes?: TokenWishes): Promise<string>;
  /** From now on people can sign in with this public client, whose browser comes back to `redirectUri`. */
  addPage(clientId: string, redirectUri: string): void;
  /** From now on tokens are signed with a new key, and only this one is published. */
  rollOver(): void;
  /** While it is down, each request ends with a broken connection. */
  setDown(isDown: boolean): void;
  /** A token with these claims and no others, signed with the issuer's key. The issuer itself gives each token an end. */
  sign(claims: object): string;
  /** The published key as PEM, as an attacker can read it. */
  readonly publicKey: () => string;
  close(): Promise<void>;
}

const client = { id: 'robot', secret: 'secret-of-the-robot' };

export async function startOidcIssuer(): Promise<OidcIssuer> {
  let generation = 0;
  let wishes: TokenWishes = {};
  let isDown = false;
  let keyRequests = 0;
  const pages: { clientId: string; redirectUri: string }[] = [];
  const server = createServer((request, response) => {
    if (isDown) return request.socket.destroy();
    if (request.url?.startsWith('/jwks')) keyRequests += 1;
    if (request.url?.startsWith('/interaction/')) return void approve(current.provider, request, response);
    return current.handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let current = createProvider();

  function createProvider(): {
    readonly provider: Provider;
    handle(request: IncomingMessage, response: ServerResponse): void;
    readonly key: KeyObject;
    sign(claims: object): string;
  } {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    generation += 1;
    const jwk = { ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: `key-${generation}` };
    const provider = new Provider(url, {
      jwks: { keys: [jwk] },
      clients: [
        {
          client_id: client.id,
          client_secret: client.secret,
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
        ...pages.map(({ clientId, redirectUri }) => ({
          client_id: clientId,
          // The page has no secret, and so PKCE is required.
          token_endpoint_auth_method: 'none' as const,
          grant_types: ['authorization_code'],
          redirect_uris: [redirectUri],
          response_types: ['code' as const],
        })),
      ],
      cookies: { keys: ['key of the cookies of the tests'] },
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      ttl: { ClientCredentials: (_context, token) => token.resourceServer?.accessTokenTTL ?? 600 },
      scopes: ['read', 'write', 'admin', 'audit:read', 'audit:write', 'auditors'],
      extraTokenClaims: (_context, { kind }) => ({
        ...(kind === 'ClientCredentials' && { sub: client.id }),
        ...wishes.claims,
      }),
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => wishes.audience ?? 'urn:auditbox',
          getResourceServerInfo: (_context: unknown, resource: string) => ({
            scope: 'read write admin audit:read audit:write auditors',
            audience: resource,
            accessTokenTTL: wishes.lifetimeS ?? 600,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
    });
    const handle = provider.callback();
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signClaims = (claims: object) => {
      const text = `${part({ alg: jwk.alg, kid: jwk.kid })}.${part(claims)}`;
      return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`;
    };
    return { provider, handle, key: publicKey, sign: signClaims };
  }

  return {
    url,
    keyRequests: () => keyRequests,
    async issue(wanted = {}) {
      wishes = wanted;
      const response = await fetch(`${url}/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope: wanted.scope ?? 'read write' }),
      });
      const body = (await response.json()) as { access_token?: string };
      if (body.access_token === undefined) throw new Error(`The issuer gave no token: ${JSON.stringify(body)}`);
      return body.access_token;
    },
    addPage(clientId, redirectUri) {
      pages.push({ clientId, redirectUri });
      current = createProvider();
    },
    rollOver() {
      current = createProvider();
    },
    setDown(down) {
      isDown = down;
    },
    sign: (claims) => current.sign(claims),
    publicKey: () => current.key.export({ type: 'spki', format: 'pem' }) as string,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Signs `ana` in and grants what was asked for, as a person would by two forms. */
async function approve(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') return provider.interactionFinished(request, response, { login: { accountId: 'ana' } });
  const grant = new provider.Grant({ accountId: session?.accountId ?? '', clientId: String(params.client_id) });
  grant.addOIDCScope(String(params.scope));
  if (params.resource !== undefined) grant.addResourceScope(String(params.resource), String(params.scope));
  const grantId = await grant.save();
  return provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
}
