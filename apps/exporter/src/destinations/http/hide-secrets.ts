/** Headers whose values everybody may see. All others may be secret, also those of the configuration. */
const publicHeaders: ReadonlySet<string> = new Set([
  ...['content-type', 'user-agent', 'webhook-id', 'webhook-timestamp', 'webhook-signature', 'x-splunk-request-channel'],
]);

/** A shorter text may be a part of any word of an answer. */
const shortestSecret = 8;

/**
 * What a receiver said, without the secrets of the request that it answers. Some gateways repeat the header `Authorization` in the
 * sentence that refuses it, and the reason of a retry is in the log, in the database and on the page.
 */
export function hideSecrets(
  text: string,
  headers: Readonly<Record<string, string>>,
  others: readonly string[] = [],
): string {
  const values = Object.entries(headers).flatMap(([name, value]) =>
    // The token may be repeated without its scheme.
    publicHeaders.has(name.toLowerCase()) ? [] : [value, value.replace(/^[\w-]+ +/, '')],
  );
  const secrets = [...values, ...others].filter(({ length }) => length >= shortestSecret);
  return secrets
    .flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
    .reduce((shown, secret) => shown.replaceAll(secret, '…'), text);
}
