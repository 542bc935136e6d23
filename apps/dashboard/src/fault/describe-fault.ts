import { currentSession } from '../session/session.ts';

const longest = 6_000;

/** Keys of Auditbox, tokens of an issuer, and what stands in a header with a key. React percent-encodes what it names. */
const secrets = [/abx_[\w-]+/g, /eyJ[\w-]+(?:\.[\w-]*)*/g, /Bearer(?:\s|%20)+\S+/gi];

/** An error as a text for the person who runs Auditbox. Values of filters, keys and tokens are not in it. */
export function describeFault(error: unknown, at: Date, components: string): string {
  const names = [...new URLSearchParams(location.search).keys()].map((name) => `${name}=…`).join('&');
  const lines = [
    `Time: ${at.toISOString()}`,
    `Address: ${location.pathname}${names && `?${names}`}`,
    `Browser: ${navigator.userAgent}`,
    '',
    describe(error),
    '',
    `Components:${components}`,
  ];
  return hideSecrets(lines.join('\n')).slice(0, longest);
}

/** Chromium's stack begins with the message; other browsers' stacks do not. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack = '' } = error;
  return stack.includes(message) ? stack : `${name}: ${message}\n${stack}`;
}

function hideSecrets(text: string): string {
  const key = currentSession()?.key;
  const forms = key === undefined ? [] : [key, encodeURIComponent(key)];
  return [...forms, ...secrets].reduce<string>((rest, form) => rest.replaceAll(form, '[key]'), text);
}
