import { createKeySigner, isKeyName, type NoteSigner } from '@auditbox/evidence/signed-note.ts';
import { fileOf, optional, type Relation, type SettingValues, textOf } from '@auditbox/process/settings.ts';

/** The signer needs the name too, so the text is kept until both are read. */
function readSigningKey(pem: string): string {
  createKeySigner('any', pem);
  return pem;
}

/** The environment variables about receipts for writers. */
export const receiptEnvironment = {
  AUDIT_RECEIPTS_ORIGIN: optional(
    textOf(/^[^\s+\p{Cc}]{1,200}$/u, 'a name without blanks and +, such as audit.example.com/prod/receipts', {
      meaning:
        'The name of the signed receipts that writers get. A receipt proves later that the api took the event. Never used for another database.',
      fallbackShown: 'no receipts',
    }),
  ),
  AUDIT_RECEIPTS_KEY_FILE: optional(
    fileOf(readSigningKey, 'the path of an Ed25519 private key in PEM (PKCS #8)', {
      meaning:
        'The key that signs receipts; another one than the key of the log. All apis need the same one. Make it with `openssl genpkey -algorithm ed25519`.',
      fallbackShown: 'no receipts',
    }),
  ),
} as const;

export const receiptRelations: readonly Relation<typeof receiptEnvironment>[] = [
  {
    between: ['AUDIT_RECEIPTS_ORIGIN', 'AUDIT_RECEIPTS_KEY_FILE'],
    problem({ AUDIT_RECEIPTS_ORIGIN: origin, AUDIT_RECEIPTS_KEY_FILE: pem }) {
      if ((origin === undefined) !== (pem === undefined))
        return 'AUDIT_RECEIPTS_ORIGIN and AUDIT_RECEIPTS_KEY_FILE are set together, or neither.';
      return origin === undefined || isKeyName(origin) ? null : 'AUDIT_RECEIPTS_ORIGIN cannot be the name of a key.';
    },
  },
];

/** Null: there are no receipts. */
export function nestReceipts(values: SettingValues<typeof receiptEnvironment>): NoteSigner | null {
  const { AUDIT_RECEIPTS_ORIGIN: origin, AUDIT_RECEIPTS_KEY_FILE: pem } = values;
  return origin === undefined || pem === undefined ? null : createKeySigner(origin, pem);
}
