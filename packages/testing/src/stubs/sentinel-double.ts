import type { ReceivedRequest } from './http-receiver.ts';
import {
  answerJson,
  isJsonObject,
  type JsonObject,
  mediaType,
  type ReceiverDouble,
  readTime,
  tryJson,
  unpackBody,
} from './receiver-double.ts';

/*
 * The Logs Ingestion API of Azure Monitor, with the token endpoint of Entra, as Microsoft documents them: "Logs Ingestion API in Azure
 * Monitor", "Azure Monitor service limits" and "OAuth 2.0 client credentials flow".
 */

/** What is set up at Azure. */
export interface SentinelSetup {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string;
  readonly rule: string;
  readonly stream: string;
  /** The columns that the stream declares. */
  readonly columns: Readonly<Record<string, 'datetime' | 'string'>>;
}

/** The double, and what a test does to its tokens. */
export interface SentinelDouble extends ReceiverDouble<JsonObject> {
  /** How many tokens were given out. */
  readonly tokens: number;
  /** No token that was given out is accepted any more. */
  revokeTokens(): void;
}

/** 1 MB, compressed and not. */
const mostBytes = 1_000_000;
const mostFieldBytes = 64_000;
const reservedNames = ['id', 'Title', 'Type', 'TenantId', 'UniqueId', '_ResourceId', '_SubscriptionId'];

export function createSentinelDouble(setup: SentinelSetup): SentinelDouble {
  const { tenantId, clientId, clientSecret, scope, rule, stream, columns } = setup;
  const stored: JsonObject[] = [];
  const refusals: string[] = [];
  const losses: string[] = [];
  let tokens = 0;
  const accepted = new Set<string>();
  const refuse = (status: number, code: string, message: string) => {
    refusals.push(message);
    return answerJson(status, { error: { code, message } });
  };

  function giveToken(request: ReceivedRequest) {
    const refuseToken = (status: number, error: string) => {
      refusals.push(error);
      return answerJson(status, { error, error_description: error });
    };
    if (request.method !== 'POST' || mediaType(request) !== 'application/x-www-form-urlencoded')
      return refuseToken(400, 'invalid_request');
    const form = new URLSearchParams(request.body);
    if (form.get('grant_type') !== 'client_credentials') return refuseToken(400, 'unsupported_grant_type');
    if (form.get('client_id') !== clientId) return refuseToken(400, 'unauthorized_client');
    if (form.get('scope') !== scope) return refuseToken(400, 'invalid_scope');
    if (form.get('client_secret') !== clientSecret) return refuseToken(401, 'invalid_client');
    tokens += 1;
    const token = `token-${tokens}`;
    accepted.add(`Bearer ${token}`);
    return answerJson(200, { token_type: 'Bearer', expires_in: 3_599, access_token: token });
  }

  return {
    stored,
    refusals,
    losses,
    get tokens() {
      return tokens;
    },
    revokeTokens() {
      accepted.clear();
    },
    answer(request) {
      const url = new URL(request.path, 'http://localhost');
      if (url.pathname === `/${tenantId}/oauth2/v2.0/token`) return giveToken(request);
      const called = /^\/dataCollectionRules\/([^/]+)\/streams\/([^/]+)$/.exec(url.pathname);
      if (called === null) return refuse(404, 'NotFound', `There is no ${url.pathname}.`);
      if (request.method !== 'POST') return refuse(405, 'MethodNotAllowed', `${request.method} is not allowed.`);
      if (url.searchParams.get('api-version') !== '2023-01-01')
        return refuse(400, 'MissingApiVersionParameter', 'The version of the API is missing or unknown.');
      if (!accepted.has(request.headers.authorization ?? ''))
        return refuse(401, 'AuthenticationFailed', 'The token is missing or not valid.');
      if (called[1] !== rule) return refuse(404, 'NotFound', `There is no rule ${called[1]}.`);
      if (called[2] !== stream) return refuse(400, 'InvalidStream', `The rule has no stream ${called[2]}.`);
      if (mediaType(request) !== 'application/json')
        return refuse(415, 'UnsupportedMediaType', `The body is ${mediaType(request)}.`);
      const body = unpackBody(request);
      if (body === null) return refuse(400, 'InvalidContentEncoding', 'The body cannot be unpacked.');
      const most = Math.max(body.length, request.bytes.length);
      if (most > mostBytes) return refuse(413, 'ContentLengthLimitExceeded', `The call has ${most} bytes.`);
      const rows = tryJson(body.toString('utf8'));
      // The real one answers 204 to a single object, and keeps nothing.
      if (!Array.isArray(rows) || !rows.every(isJsonObject))
        return refuse(400, 'InvalidJson', 'The body is not an array of objects.');
      const names = new Set(rows.flatMap((row) => Object.keys(row)));
      const reserved = reservedNames.filter((name) => names.has(name));
      if (reserved.length > 0) return refuse(400, 'InvalidRecord', `${reserved.join(', ')} cannot be a column.`);
      for (const row of rows) losses.push(...findLosses(row, columns));
      stored.push(...rows);
      return { status: 204 };
    },
  };
}

/** It drops a column that is not declared, cuts a long text, and leaves out a value of another type. */
function findLosses(row: JsonObject, columns: SentinelSetup['columns']): string[] {
  const losses = Object.entries(row).flatMap(([name, value]) => {
    const type = columns[name];
    if (type === undefined) return [`${name} is not declared and is dropped.`];
    if (type === 'datetime') return readTime(value) === null ? [`${name} is ${value}, not a time.`] : [];
    if (typeof value !== 'string') return [`${name} is not a text.`];
    return Buffer.byteLength(value) > mostFieldBytes ? [`${name} is cut.`] : [];
  });
  return 'TimeGenerated' in row ? losses : [...losses, 'TimeGenerated is missing.'];
}
