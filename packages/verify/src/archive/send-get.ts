import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

/** A store that sends nothing for so long is asked again. */
const silenceMs = 60_000;

/**
 * Sends a GET. The body is what was stored, byte for byte: `fetch` would unpack an object that a tool has stored with a
 * Content-Encoding, and follow redirects with a signature for another host.
 */
export function sendGet(url: URL, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  const send = url.protocol === 'http:' ? requestHttp : requestHttps;
  return new Promise((resolve, reject) => {
    const sent = send(url, { headers: { ...headers, 'accept-encoding': 'identity' }, timeout: silenceMs });
    sent.on('timeout', () => sent.destroy(new Error(`nothing arrived for ${silenceMs / 1_000} s`)));
    sent.on('error', reject);
    sent.on('response', resolve);
    sent.end();
  });
}
