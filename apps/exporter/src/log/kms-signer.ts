import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { isSameKey } from '@auditbox/evidence/key-chain.ts';
import { formatVerifierKey, type NoteSigner, type VerifierKey, verifierKeyOf } from '@auditbox/evidence/signed-note.ts';
import { SigningError } from '@auditbox/evidence/signing-error.ts';
import { ed25519, explainKmsError, type KmsDescription, openKmsKey } from '@auditbox/s3/kms-key.ts';

/**
 * Signs with a key that never leaves AWS KMS. `key` is the public key that auditors have: a KMS key with another one is never
 * used, also when an alias was pointed at it. Throws SigningError.
 */
export function createKmsSigner(arn: string, key: VerifierKey): NoteSigner {
  const kms = openKmsKey(arn);
  let checked: KeyObject | null = null;

  async function ask<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      const { sentence, isPermanent } = explainKmsError(arn, cause);
      throw new SigningError(sentence, { isPermanent, cause });
    }
  }

  async function check(): Promise<KeyObject> {
    checked ??= readPublicKey(arn, key, await ask(kms.describe));
    return checked;
  }

  return {
    key,
    check: async () => void (await check()),
    async sign(text) {
      const publicKey = await check();
      const signature = await ask(() => kms.sign(text));
      // A checkpoint is signed once and for ever.
      if (!verify(null, text, publicKey, signature))
        throw new SigningError(`The signature that KMS made with ${arn} does not verify.`, { isPermanent: false });
      return signature;
    },
  };
}

function readPublicKey(arn: string, key: VerifierKey, { publicKey, spec, algorithms }: KmsDescription): KeyObject {
  if (!algorithms.includes(ed25519)) {
    const reason = `The KMS key ${arn} is of the type ${spec}, which cannot sign the log. Make one with the key spec ECC_NIST_EDWARDS25519 and the usage SIGN_VERIFY.`;
    throw new SigningError(reason, { isPermanent: true });
  }
  const found = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  const ours = verifierKeyOf(key.name, found);
  if (isSameKey(ours, key)) return found;
  const reason = `The verifier key of ${arn} is ${formatVerifierKey(ours)}; the settings say ${formatVerifierKey(key)}.`;
  throw new SigningError(reason, { isPermanent: true });
}
