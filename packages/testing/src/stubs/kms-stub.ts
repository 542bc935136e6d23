import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/*
 * A stub of AWS KMS with one asymmetric key. It checks the signature of each request (Signature Version 4) and every member of
 * its body, and signs with a real key.
 */

export interface KmsStub {
  readonly endpoint: string;
  readonly arn: string;
  /** What it was asked for, such as `Sign`. */
  readonly calls: string[];
  /** What is wrong with requests; empty for a client that follows the protocol. */
  readonly violations: string[];
  publicKey(): KeyObject;
  /** Gives the same ARN another key. */
  replaceKey(spec?: KeySpec): void;
  answers: 'signatures' | 'denial' | 'throttling' | 'wrong signatures' | 'failures';
  /** Requests that are throttled before the others are answered. */
  throttled: number;
  close(): void;
}

type KeySpec = 'ECC_NIST_EDWARDS25519' | 'ECC_NIST_P256';

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const region = 'eu-central-1';
const arn = `arn:aws:kms:${region}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const algorithms = {
  ECC_NIST_EDWARDS25519: ['ED25519_SHA_512', 'ED25519_PH_SHA_512'],
  ECC_NIST_P256: ['ECDSA_SHA_256'],
} as const;

export async function startKmsStub(credentials: Credentials): Promise<KmsStub> {
  let spec: KeySpec = 'ECC_NIST_EDWARDS25519';
  let keys = makeKeys(spec);

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = Buffer.concat(await request.toArray());
    const target = String(request.headers['x-amz-target']);
    const call = target.replace('TrentService.', '');
    stub.calls.push(call);
    stub.violations.push(...findViolations(request, body, credentials));
    if (stub.throttled > 0 || stub.answers === 'throttling') {
      stub.throttled -= 1;
      return refuse(response, 400, 'ThrottlingException', 'Rate exceeded');
    }
    if (stub.answers === 'failures') return refuse(response, 500, 'KMSInternalException', 'Try again.');
    if (stub.answers === 'denial') return refuse(response, 400, 'AccessDeniedException', `Not allowed: kms:${call}`);
    const given = JSON.parse(body.toString()) as Record<string, unknown>;
    if (given.KeyId !== arn) return refuse(response, 400, 'NotFoundException', `Key '${given.KeyId}' does not exist`);
    if (call === 'GetPublicKey') return describe(response, given);
    return answerSign(response, given);
  }

  function describe(response: ServerResponse, given: Record<string, unknown>): void {
    expectMembers(given, ['KeyId']);
    const PublicKey = keys.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    send(response, {
      KeyId: arn,
      PublicKey,
      KeySpec: spec,
      KeyUsage: 'SIGN_VERIFY',
      SigningAlgorithms: algorithms[spec],
    });
  }

  function answerSign(response: ServerResponse, given: Record<string, unknown>): void {
    expectMembers(given, ['KeyId', 'Message', 'MessageType', 'SigningAlgorithm']);
    const message = Buffer.from(String(given.Message), 'base64');
    const algorithm = String(given.SigningAlgorithm);
    if (!(algorithms[spec] as readonly string[]).includes(algorithm))
      refuse(response, 400, 'InvalidKeyUsageException', `${arn} key spec is ${spec}`);
    else if (given.MessageType !== 'RAW' || message.length === 0 || message.length > 4_096)
      refuse(response, 400, 'ValidationException', 'Message must be raw and at most 4096 bytes');
    else {
      const signed = stub.answers === 'wrong signatures' ? Buffer.from('other') : message;
      const Signature = sign(null, signed, keys.privateKey).toString('base64');
      send(response, { KeyId: arn, Signature, SigningAlgorithm: algorithm });
    }
  }

  function expectMembers(given: Record<string, unknown>, names: readonly string[]): void {
    const found = Object.keys(given).sort().join();
    if (found !== [...names].sort().join()) stub.violations.push(`The body has the members ${found}.`);
  }

  const server = createServer((request, response) => void respond(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stub: KmsStub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    arn,
    calls: [],
    violations: [],
    publicKey: () => keys.publicKey,
    replaceKey(next = 'ECC_NIST_EDWARDS25519') {
      spec = next;
      keys = makeKeys(spec);
    },
    answers: 'signatures',
    throttled: 0,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return stub;
}

function makeKeys(spec: KeySpec) {
  return spec === 'ECC_NIST_P256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
}

function findViolations(request: IncomingMessage, body: Buffer, credentials: Credentials): string[] {
  const { method, url, headers } = request;
  return [
    ...(method === 'POST' && url === '/' ? [] : [`It is ${method} ${url}.`]),
    ...(headers['content-type'] === 'application/x-amz-json-1.1' ? [] : [`Its type is ${headers['content-type']}.`]),
    ...(/^TrentService\.(GetPublicKey|Sign)$/.test(String(headers['x-amz-target']))
      ? []
      : [`It calls ${headers['x-amz-target']}.`]),
    ...(isSigned(request, body, credentials) ? [] : ['Its signature is wrong.']),
  ];
}

function isSigned({ headers }: IncomingMessage, body: Buffer, { accessKeyId, secretAccessKey }: Credentials): boolean {
  const [, scope = '', names = '', signature] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  const time = String(headers['x-amz-date']);
  const wanted = [time.slice(0, 8), region, 'kms', 'aws4_request'];
  if (scope !== [accessKeyId, ...wanted].join('/')) return false;
  const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const canonical = [
    ...['POST', '/', ''],
    ...names.split(';').map((name) => `${name}:${headers[name]}`),
    ...['', names, hash(body)],
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', time, wanted.join('/'), hash(canonical)].join('\n');
  const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const key = wanted.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return createHmac('sha256', key).update(text).digest('hex') === signature;
}

function refuse(response: ServerResponse, status: number, type: string, message: string): void {
  send(response, { __type: type, message }, status);
}

function send(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}
