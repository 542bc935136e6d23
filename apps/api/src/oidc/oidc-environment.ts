import { type Grant, grants } from '@auditbox/core/keys/scopes.ts';
import {
  listOfEach,
  optional,
  type Relation,
  type Setting,
  type SettingValues,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import type { z } from 'zod';
import { isSafeUrl } from './issuer-keys.ts';
import type { OidcSettings } from './oidc-settings.ts';

/** A token's keys must come from the issuer itself. */
function safeUrl(setting: Setting<string>): Setting<string> {
  return {
    ...setting,
    schema: (setting.schema as z.ZodType<string, string>).refine(isSafeUrl) as typeof setting.schema,
  };
}

/** The environment variables about tokens of an issuer. */
export const oidcEnvironment = {
  AUDIT_OIDC_ISSUER: optional(
    safeUrl(
      urlOf(/^https?:$/, 'an https URL, or http on the same machine', {
        meaning: 'The issuer of tokens that are valid next to keys, exactly as in their claim `iss`.',
        fallbackShown: 'none',
      }),
    ),
  ),
  AUDIT_OIDC_AUDIENCE: optional(
    textOf(/^[\x21-\x7e]{1,256}$/, 'visible ASCII characters', {
      meaning: 'What the claim `aud` of a token must be or hold. AUDIT_OIDC_ISSUER needs it.',
      fallbackShown: 'none',
    }),
  ),
  AUDIT_OIDC_ALGORITHMS: listOfEach(
    /^(?:[RPE]S(?:256|384|512)|EdDSA)$/,
    'of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA',
    { meaning: 'How tokens may be signed.', fallback: ['RS256', 'PS256', 'ES256', 'EdDSA'] },
  ),
  AUDIT_OIDC_SCOPE_CLAIM: textOf(/^[\x21-\x7e]{1,256}$/, 'visible ASCII characters', {
    meaning: 'The claim with the scopes of a token: words in a text, or a list.',
    fallback: 'scope',
  }),
  AUDIT_OIDC_SCOPE_MAP: listOfEach(
    new RegExp(`^[\\x21-\\x2b\\x2d-\\x7e]{1,128}=(?:${grants.join('|')})$`),
    `pairs such as auditors=read, whose right side is one of ${grants.join(', ')}`,
    {
      meaning: 'What other words in that claim grant, such as groups. Names of scopes mean themselves.',
      fallback: [],
      fallbackShown: 'none',
    },
  ),
  AUDIT_OIDC_TENANT_CLAIM: optional(
    textOf(/^[\x21-\x7e]{1,256}$/, 'visible ASCII characters', {
      meaning:
        'The claim with the tenant. With it a token without a tenant is not valid; without it tokens are bound to no tenant.',
      fallbackShown: 'none',
    }),
  ),
  AUDIT_OIDC_CLIENT_ID: optional(
    textOf(/^[\x20-\x7e]{1,256}$/, 'visible ASCII characters', {
      meaning:
        'The client id of the page at the issuer: a public client, whose redirect URI is `/ui/signed-in` of this api. With it people sign in on the page. Needs AUDIT_OIDC_ISSUER.',
      fallbackShown: 'none',
    }),
  ),
  AUDIT_OIDC_CLIENT_SCOPES: listOfEach(/^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/, 'of scopes, separated by commas', {
    meaning: 'The scopes that the page asks the issuer for.',
    fallback: ['openid'],
  }),
  AUDIT_OIDC_CLIENT_PARAMETERS: listOfEach(/^[a-z_]+=[\x21-\x2b\x2d-\x7e]+$/, 'pairs such as audience=urn:auditbox', {
    meaning: 'What else the page sends to the issuer, so that it gives a token for this api: `audience` or `resource`.',
    fallback: [],
    fallbackShown: 'none',
  }),
  AUDIT_OIDC_CLOCK_TOLERANCE_S: wholeNumber(
    { min: 0, max: 300 },
    { meaning: 'How far the clock of the issuer may be off, in seconds.', fallback: 5 },
  ),
  AUDIT_OIDC_COOLDOWN_MS: wholeNumber(
    { min: 100, max: 600_000 },
    {
      meaning: 'Tokens with unknown keys make the keys of the issuer be read again at most once in this time.',
      fallback: 30_000,
    },
  ),
} as const;

export const oidcRelations: readonly Relation<typeof oidcEnvironment>[] = [
  {
    between: ['AUDIT_OIDC_ISSUER', 'AUDIT_OIDC_AUDIENCE'],
    problem: ({ AUDIT_OIDC_ISSUER: issuer, AUDIT_OIDC_AUDIENCE: audience }) =>
      (issuer === undefined) !== (audience === undefined)
        ? 'AUDIT_OIDC_ISSUER and AUDIT_OIDC_AUDIENCE must be set together.'
        : null,
  },
  {
    between: ['AUDIT_OIDC_ISSUER', 'AUDIT_OIDC_CLIENT_ID'],
    problem: ({ AUDIT_OIDC_ISSUER: issuer, AUDIT_OIDC_CLIENT_ID: client }) =>
      client !== undefined && issuer === undefined
        ? 'AUDIT_OIDC_CLIENT_ID is set and AUDIT_OIDC_ISSUER is not; the page needs both to sign people in.'
        : null,
  },
];

export function nestOidc(values: SettingValues<typeof oidcEnvironment>): OidcSettings | null {
  const { AUDIT_OIDC_ISSUER: issuer, AUDIT_OIDC_AUDIENCE: audience } = values;
  if (issuer === undefined || audience === undefined) return null;
  const pairs = values.AUDIT_OIDC_SCOPE_MAP.map((pair): [string, Grant] => {
    const at = pair.lastIndexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1) as Grant];
  });
  return Object.freeze({
    issuer,
    audience,
    algorithms: values.AUDIT_OIDC_ALGORITHMS,
    scopeClaim: values.AUDIT_OIDC_SCOPE_CLAIM,
    scopeMap: new Map(pairs),
    tenantClaim: values.AUDIT_OIDC_TENANT_CLAIM ?? null,
    page: nestPage(values),
    clockToleranceS: values.AUDIT_OIDC_CLOCK_TOLERANCE_S,
    cooldownMs: values.AUDIT_OIDC_COOLDOWN_MS,
  });
}

function nestPage(values: SettingValues<typeof oidcEnvironment>): OidcSettings['page'] {
  const { AUDIT_OIDC_CLIENT_ID: clientId } = values;
  if (clientId === undefined) return null;
  const parameters = values.AUDIT_OIDC_CLIENT_PARAMETERS.map((pair): [string, string] => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  // Without it the issuer gives no ID token, and the page could not check whose answer it got.
  const scopes = [...new Set(['openid', ...values.AUDIT_OIDC_CLIENT_SCOPES])];
  return Object.freeze({ clientId, scopes, parameters });
}
