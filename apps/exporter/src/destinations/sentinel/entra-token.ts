import { describeAnswer } from '../http/classify-answer.ts';
import type { HttpClient } from '../http/http-client.ts';
import { jsonAnswer } from '../http/json-answer.ts';

/** Who asks for a token, and for what. */
interface EntraCredentials {
  readonly authority: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string;
}

/** An access token of Microsoft Entra, by client credentials (RFC 6749, 4.4). */
export interface EntraToken {
  /** A token that lasts another minute. Throws when none is given out, a TokenRefusedError when it never will be. */
  get(signal: AbortSignal): Promise<string>;
  /** The next `get` asks for a new one. */
  forget(): void;
}

/** The authority refuses these credentials. A person must change something. */
export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError';
  readonly code: string;

  constructor(status: number, reason: string) {
    super(`No token was given out. ${reason}`);
    this.code = String(status);
  }
}

/** A request needs time, and clocks differ. */
const renewBeforeMs = 60_000;

export function createEntraToken(
  client: HttpClient,
  { authority, tenantId, clientId, clientSecret, scope }: EntraCredentials,
): EntraToken {
  let held: { readonly token: string; readonly until: number } | null = null;
  const url = `${authority}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope };
  const request = {
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
    secrets: [clientSecret],
  };
  return {
    async get(signal) {
      if (held !== null && performance.now() < held.until) return held.token;
      const answer = await client.send(request, signal);
      const { access_token: token, expires_in: seconds } = jsonAnswer(answer) ?? {};
      const isRefused = answer.status === 400 || answer.status === 401 || answer.status === 403;
      if (isRefused) throw new TokenRefusedError(answer.status, describeAnswer(answer.status, answer.text));
      if (answer.status !== 200 || typeof token !== 'string' || token === '')
        throw new Error(`No token was given out. ${describeAnswer(answer.status, answer.text)}`);
      held = { token, until: performance.now() + Number(seconds ?? 0) * 1_000 - renewBeforeMs };
      return token;
    },
    forget() {
      held = null;
    },
  };
}
