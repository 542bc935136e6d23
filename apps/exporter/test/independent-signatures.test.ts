import { spawnSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

/* Signatures of webhooks, verified by programs that share no code with the exporter: Go's cryptography, and the program openssl. */

const hasGo = spawnSync('go', ['version']).status === 0;
if (!hasGo) console.warn('Go is not installed, so it does not verify the signatures of webhooks here.');
const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) console.warn('openssl is not installed, so it does not verify the signatures of webhooks here.');

const folder = mkdtempSync(join(tmpdir(), 'signatures-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Signed {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly body: string;
}

/** What a receiver gets for a row with texts of several alphabets. */
async function postWith(secrets: readonly string[]): Promise<Signed> {
  const receiver = await startHttpReceiver();
  const destination = await openDestination({ type: 'webhook', url: receiver.url, secrets });
  expect(await deliver(destination, [aRow({ line: '{"id":"1","object_id":"ünï 😀 \\u0000"}' })])).toEqual({
    kind: 'taken',
  });
  await destination.close();
  await receiver.close();
  const [request] = receiver.requests;
  const header = (name: string) => String(request?.headers[`webhook-${name}`]);
  return {
    id: header('id'),
    timestamp: header('timestamp'),
    signature: header('signature'),
    body: request?.body ?? '',
  };
}

/** The same with one change each, none of which may verify. */
const forged = (signed: Signed): Signed[] => [
  { ...signed, id: `${signed.id}0` },
  { ...signed, timestamp: String(Number(signed.timestamp) + 1) },
  { ...signed, body: signed.body.replace('ünï', 'uni') },
];

describe.skipIf(!hasGo)('Go', () => {
  const source = fileURLToPath(new URL('./independent/main.go', import.meta.url));
  const program = join(folder, 'webhook');
  const run = (args: readonly string[], input = '') => {
    const { status, stdout, stderr } = spawnSync(program, args, { input, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    return stdout.trim();
  };
  beforeAll(() => {
    const env = { ...process.env, GO111MODULE: 'off', GOFLAGS: '' };
    const { status, stderr } = spawnSync('go', ['build', '-o', program, source], { env, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  });

  test.each([
    ['64 bytes, as Go writes a private key', 64],
    ['32 bytes', 32],
  ])(
    'verifies v1a of a key that it made, given as %s, and v1 next to it, and nothing that was changed',
    async (_name, length) => {
      const keys: { secret: string; public: string } = JSON.parse(run(['keys']));
      const bytes = Buffer.from(keys.secret.slice('whsk_'.length), 'base64').subarray(0, length);
      const secret = `whsec_${randomBytes(32).toString('base64')}`;
      const signed = await postWith([`whsk_${bytes.toString('base64')}`, secret]);
      const verify = (one: Signed, known: object = {}) =>
        run(['verify'], JSON.stringify({ ...one, public: keys.public, secret, ...known }));
      expect(verify(signed)).toBe('v1a\nv1');
      for (const one of forged(signed)) expect(verify(one)).toBe('');
      const other: { public: string } = JSON.parse(run(['keys']));
      expect(verify(signed, { public: other.public })).toBe('v1');
      expect(verify(signed, { secret: `whsec_${randomBytes(32).toString('base64')}` })).toBe('v1a');
    },
  );
});

describe.skipIf(!hasOpenssl)('openssl', () => {
  function verify({ id, timestamp, signature, body }: Signed, publicKey: string): boolean {
    const file = (name: string, content: string | Buffer) => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const given = signature.split(' ').find((one) => one.startsWith('v1a,'));
    const files = {
      key: file('public.pem', publicKey),
      text: file('signed', `${id}.${timestamp}.${body}`),
      signature: file('signature', Buffer.from(given?.slice('v1a,'.length) ?? '', 'base64')),
    };
    const args = ['-verify', '-pubin', '-inkey', files.key, '-rawin', '-in', files.text, '-sigfile', files.signature];
    return spawnSync('openssl', ['pkeyutl', ...args]).status === 0;
  }

  test('verifies v1a, and nothing that was changed', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const seed = Buffer.from(String(privateKey.export({ format: 'jwk' }).d), 'base64url');
    const signed = await postWith([`whsk_${seed.toString('base64')}`]);
    const pem = String(publicKey.export({ format: 'pem', type: 'spki' }));
    expect(verify(signed, pem)).toBe(true);
    for (const one of forged(signed)) expect(verify(one, pem)).toBe(false);
  });
});
