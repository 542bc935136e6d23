import type { KMSClient } from '@aws-sdk/client-kms';
import { createCredentials } from './s3-credentials.ts';

/** An asymmetric key of AWS KMS. Both calls throw what the SDK throws; `explainKmsError` explains it. */
export interface KmsKey {
  describe(): Promise<KmsDescription>;
  /** Signs by Ed25519. */
  sign(message: Buffer): Promise<Buffer>;
}

export interface KmsDescription {
  /** DER (SPKI). */
  readonly publicKey: Buffer;
  /** Such as `ECC_NIST_EDWARDS25519`. */
  readonly spec: string;
  readonly algorithms: readonly string[];
}

/** RFC 8032 over the message itself. The other algorithm of such a key signs a hash of it, which no reader of notes accepts. */
export const ed25519 = 'ED25519_SHA_512';

const timeoutMs = 10_000;

/** The region is that of the ARN. Credentials are found as the SDK does. */
export function openKmsKey(arn: string): KmsKey {
  const [, , , region = ''] = arn.split(':');
  const credentials = createCredentials({ accessKey: null, role: null });
  let client: Promise<KMSClient> | null = null;

  async function connect(): Promise<KMSClient> {
    // The module is only loaded where a key of KMS is used.
    const { KMSClient: Client } = await import('@aws-sdk/client-kms');
    return new Client({
      region,
      credentials: credentials.provide,
      requestHandler: { connectionTimeout: timeoutMs, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
    });
  }

  async function send<T>(call: (kms: KMSClient) => Promise<T>): Promise<T> {
    client ??= connect();
    try {
      return await call(await client);
    } catch (error) {
      credentials.forget();
      throw error;
    }
  }

  return {
    async describe() {
      const { GetPublicKeyCommand } = await import('@aws-sdk/client-kms');
      const found = await send((kms) => kms.send(new GetPublicKeyCommand({ KeyId: arn })));
      return {
        publicKey: Buffer.from(found.PublicKey ?? []),
        spec: found.KeySpec ?? 'unknown',
        algorithms: found.SigningAlgorithms ?? [],
      };
    },
    async sign(message) {
      const { SignCommand } = await import('@aws-sdk/client-kms');
      const command = new SignCommand({ KeyId: arn, Message: message, MessageType: 'RAW', SigningAlgorithm: ed25519 });
      const { Signature = new Uint8Array() } = await send((kms) => kms.send(command));
      return Buffer.from(Signature);
    },
  };
}

/** Answers that stay the same until a person changes the key, its policy or the settings. */
const remedies: Readonly<Record<string, string>> = {
  AccessDeniedException: 'The login needs kms:GetPublicKey and kms:Sign, in the policy of the key or in its own.',
  NotFoundException: 'There is no such key in this account and region.',
  DisabledException: 'The key is disabled.',
  KMSInvalidStateException: 'The key is not enabled, or it is to be deleted.',
  InvalidKeyUsageException: 'The key does not sign by Ed25519.',
  UnsupportedOperationException: 'The key is symmetric, and cannot sign.',
  InvalidArnException: 'The ARN is not of a key.',
  ValidationException: 'The key does not sign by Ed25519, or the ARN is wrong.',
};

/** What an error of KMS means, in a sentence. `isPermanent`: the same request fails until a person changes something. */
export function explainKmsError(
  arn: string,
  error: unknown,
): { readonly sentence: string; readonly isPermanent: boolean } {
  const { name, message } = error as Error;
  const remedy = remedies[name];
  return remedy === undefined
    ? { sentence: `KMS did not answer for ${arn}: ${name}: ${message}`, isPermanent: false }
    : { sentence: `KMS refuses ${arn} (${name}). ${remedy}`, isPermanent: true };
}
