import { createSecureContext } from 'node:tls';
import { endSentence } from '@auditbox/core/text/end-sentence.ts';
import { hideLogin } from '@auditbox/core/text/hide-login.ts';
import { portRange } from '@auditbox/process/common-settings.ts';
import {
  explainUnreadable,
  flag,
  listOfEach,
  optional,
  type Relation,
  type SettingValues,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';
import { readPathPrefix } from './path-prefix.ts';
import { readCertificates, type TlsFiles } from './tls-files.ts';

/** The environment variables about HTTP: connections, memory, TLS, ports, proxies and rates. */
export const httpEnvironment = {
  HTTP_MAX_CONNECTIONS: wholeNumber(
    { min: 10, max: 1_000_000 },
    { meaning: 'Connections at once. Further ones are closed when they arrive.', fallback: 10_000 },
  ),
  HTTP_MAX_CONNECTIONS_PER_ADDRESS: optional(
    wholeNumber(
      { min: 10, max: 1_000_000 },
      {
        meaning:
          'Connections at once from one address, or from one IPv6 network of 64 bits. Those of TRUSTED_PROXIES are not counted.',
        fallbackShown: 'a quarter of HTTP_MAX_CONNECTIONS, and 10 at least',
      },
    ),
  ),
  HTTP_HEADERS_TIMEOUT_MS: wholeNumber(
    { min: 1_000, max: 600_000 },
    { meaning: 'Longest time from the first byte of a request to the end of its headers.', fallback: 10_000 },
  ),
  HTTP_REQUEST_TIMEOUT_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    { meaning: 'Longest time from the first byte of a request to the end of its body.', fallback: 300_000 },
  ),
  HTTP_STALL_TIMEOUT_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    {
      meaning: 'A caller that sends nothing of its body, or takes nothing of its answer, for this long is cut off.',
      fallback: 60_000,
    },
  ),
  HTTP_KEEP_ALIVE_MS: wholeNumber(
    { min: 1_000, max: 3_600_000 },
    {
      meaning:
        'How long an idle connection stays open. It must be longer than the keep-alive of a proxy in front, or the proxy sends requests into connections that just closed.',
      fallback: 75_000,
    },
  ),
  HTTP_BYTES_IN_FLIGHT: wholeNumber(
    { min: 16_777_216, max: 17_179_869_184 },
    {
      meaning: 'Most bytes of bodies and answers in memory at once. Further requests are a 429.',
      fallback: 100_663_296,
    },
  ),
  HTTP_BYTES_IN_FLIGHT_PER_KEY: wholeNumber(
    { min: 16_777_216, max: 17_179_869_184 },
    { meaning: 'The same for the requests of one key.', fallback: 25_165_824 },
  ),
  HTTP_COMPRESSION: flag({
    meaning: 'Compress answers to reads with gzip where the caller accepts it. Off where a proxy in front compresses.',
    fallback: true,
  }),
  TLS_CERT_FILE: optional(
    textOf(/^/, 'the path of a file in PEM', {
      meaning: 'The certificate, with its chain. With it the api speaks TLS. A changed file is read again within 10 s.',
      fallbackShown: 'plain HTTP',
    }),
  ),
  TLS_KEY_FILE: optional(
    textOf(/^/, 'the path of a file in PEM', { meaning: 'The key of TLS_CERT_FILE.', fallbackShown: 'none' }),
  ),
  TLS_CLIENT_CA_FILE: optional(
    textOf(/^/, 'the path of a file in PEM', {
      meaning: 'Authorities. With it every caller needs a certificate from one of them, and a key as well.',
      fallbackShown: 'none',
    }),
  ),
  ADMIN_PORT: optional(
    wholeNumber(portRange, {
      meaning:
        'A second port, with /metrics, /livez, /readyz, /docs and /openapi.json. Then PORT has /livez and /readyz of them.',
      fallbackShown: 'none',
    }),
  ),
  ADMIN_HOST: textOf(/^[\w.:-]+$/, 'an address or a host name', {
    meaning: 'The address on which ADMIN_PORT listens, in plain HTTP.',
    fallback: '127.0.0.1',
  }),
  PUBLIC_URL: optional(
    urlOf(/^https?:$/, 'an http or https URL', {
      meaning:
        'Where callers reach the api, such as https://audit.example.com/auditbox. Links in answers begin with its path. A proxy may remove the path or pass it on.',
      fallbackShown: 'none',
    }),
  ),
  TRUSTED_PROXIES: listOfEach(/^[0-9a-fA-F.:]+(\/\d{1,3})?$/, 'addresses and networks separated by commas', {
    meaning: 'Proxies whose X-Forwarded-For names the address of a caller. Limits of addresses need it behind a proxy.',
    fallback: [],
    fallbackShown: 'none',
  }),
  CORS_ORIGINS: listOfEach(/^https?:\/\/[\w.:[\]-]+$/, 'origins separated by commas', {
    meaning: 'Origins whose pages may call the api from a browser.',
    fallback: [],
    fallbackShown: 'none',
  }),
  SECURITY_CONTACT: optional(
    urlOf(/^(mailto|https):$/, 'a mailto or https URL', {
      meaning: 'Whom to tell about a weakness, for /.well-known/security.txt.',
      fallbackShown: 'none',
    }),
  ),
  RATE_LIMIT_FAILED_KEYS: wholeNumber(
    { min: 0, max: 1_000_000 },
    {
      meaning:
        'Requests with a missing or unknown key that an address may send in a minute; 0 has no limit. Then only keys that were valid before are accepted from it. Per process.',
      fallback: 100,
    },
  ),
  RATE_LIMIT_REQUESTS: wholeNumber(
    { min: 0, max: 100_000_000 },
    { meaning: 'Requests that a key may send in a minute; 0 has no limit. Per process.', fallback: 0 },
  ),
  RATE_LIMIT_EVENTS: wholeNumber(
    { min: 0, max: 1_000_000_000 },
    { meaning: 'Events that a key may record in a minute; 0 has no limit. Per process.', fallback: 0 },
  ),
  RATE_LIMIT_BYTES: wholeNumber(
    { min: 0, max: 1_000_000_000_000 },
    { meaning: 'Bytes of bodies that a key may send in a minute; 0 has no limit. Per process.', fallback: 0 },
  ),
} as const;

/** What is wrong with the files of TLS; null if nothing is. */
function explainTlsFiles(files: TlsFiles): string | null {
  const named = { TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key, TLS_CLIENT_CA_FILE: files.clientCa };
  for (const [name, path] of Object.entries(named)) {
    const reason = path === undefined ? null : explainUnreadable(path);
    if (reason !== null) return `${name} is ${JSON.stringify(path)}. ${reason}`;
  }
  try {
    createSecureContext(readCertificates(files));
    return null;
  } catch (error) {
    return `TLS_CERT_FILE and TLS_KEY_FILE cannot be used together: ${endSentence((error as Error).message)}`;
  }
}

export type HttpEnvironment = SettingValues<typeof httpEnvironment>;

export const httpRelations: readonly Relation<typeof httpEnvironment>[] = [
  {
    between: ['PUBLIC_URL'],
    problem: ({ PUBLIC_URL: url }) =>
      url !== undefined && readPathPrefix(url) === null
        ? `PUBLIC_URL is ${JSON.stringify(hideLogin(url))}; it must have no login, query or fragment, and no empty part in its path.`
        : null,
  },
  {
    between: ['TLS_CERT_FILE', 'TLS_KEY_FILE', 'TLS_CLIENT_CA_FILE'],
    problem: ({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: ca }) => {
      if ((cert === undefined) !== (key === undefined)) return 'TLS_CERT_FILE and TLS_KEY_FILE must be set together.';
      if (ca !== undefined && cert === undefined) return 'TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE.';
      return cert === undefined || key === undefined ? null : explainTlsFiles({ cert, key, clientCa: ca });
    },
  },
];
