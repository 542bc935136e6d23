import { createHmac, createPrivateKey, type KeyObject, sign } from 'node:crypto';

/** Signs what Standard Webhooks 1.0.0 prescribes: id, time of the attempt in seconds, and the raw body. */
export type WebhookSigner = (id: string, timestamp: number, body: Buffer) => string;

/** The DER that stands before the 32 bytes of an Ed25519 private key. */
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * A signer from `whsec_` (HMAC-SHA256) and `whsk_` (Ed25519) secrets. With several, a receiver accepts any of the signatures:
 * that is how a secret is changed. Throws a sentence about a wrong secret that does not show it.
 */
export function createWebhookSigner(secrets: readonly string[]): WebhookSigner {
  const signers = secrets.map(readSecret);
  return (id, timestamp, body) => {
    const head = `${id}.${timestamp}.`;
    return signers.map((one) => one(head, body)).join(' ');
  };
}

/** Signs a head and a body. A text of both would be a copy of the body. */
type Signer = (head: string, body: Buffer) => string;

function readSecret(secret: string): Signer {
  if (secret.startsWith('whsk_')) {
    const key = readPrivateKey(readBase64(secret.slice('whsk_'.length)));
    return (head, body) => `v1a,${sign(null, Buffer.concat([Buffer.from(head), body]), key).toString('base64')}`;
  }
  const key = readBase64(secret.replace(/^whsec_/, ''));
  if (key.length < 24 || key.length > 64)
    throw new Error('A webhook secret must be whsec_ and 24 to 64 bytes in base64.');
  return (head, body) => `v1,${createHmac('sha256', key).update(head).update(body).digest('base64')}`;
}

/** No bytes for a text that is not base64. Node reads past what it does not know, and a receiver would have another key. */
function readBase64(text: string): Buffer {
  const [given, bytes] = [text.trim(), Buffer.from(text, 'base64')];
  const written = bytes.toString('base64');
  return given === written || given === written.replace(/=+$/, '') ? bytes : Buffer.alloc(0);
}

/** 32 bytes, or 64 with the public key behind them. */
function readPrivateKey(bytes: Buffer): KeyObject {
  if (bytes.length !== 32 && bytes.length !== 64)
    throw new Error('An Ed25519 webhook secret must be whsk_ and 32 or 64 bytes in base64.');
  return createPrivateKey({ key: Buffer.concat([pkcs8Head, bytes.subarray(0, 32)]), format: 'der', type: 'pkcs8' });
}
