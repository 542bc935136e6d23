import { createKeySigner, parseVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { parseWitnessPolicy } from '@auditbox/evidence/witness-policy.ts';
import {
  fileOf,
  optional,
  type Relation,
  type SettingValues,
  secret,
  textOf,
  urlOf,
  wholeNumber,
} from '@auditbox/process/settings.ts';

const kmsKeyArn = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(?:key|alias)\/[A-Za-z0-9/_-]{1,250}$/;
const kmsKeyAccepts = 'an ARN such as arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const verifierKey = /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$/;
const logName = /^[^\s+\p{Cc}]{1,200}$/u;

/** The signer needs the log's name too, so the text is kept until both are read. */
function readSigningKey(pem: string): string {
  createKeySigner('any', pem);
  return pem;
}

/** The environment variables of the log of batches. */
export const logEnvironment = {
  EXPORT_LOG_ORIGIN: optional(
    textOf(logName, 'a name without blanks and +, such as audit.example.com/prod/s3', {
      meaning:
        'The name of the signed log of batches, which proves that the bucket is complete. Never used for another bucket, prefix or database.',
      fallbackShown: 'no log',
    }),
  ),
  EXPORT_LOG_KEY_FILE: optional(
    fileOf(readSigningKey, 'the path of an Ed25519 private key in PEM (PKCS #8)', {
      meaning: 'The key that signs the log. Make it with `openssl genpkey -algorithm ed25519`.',
      fallbackShown: 'no log',
    }),
  ),
  EXPORT_LOG_KMS_KEY_ID: optional(
    textOf(kmsKeyArn, kmsKeyAccepts, {
      meaning:
        'A key of AWS KMS that signs the log, instead of EXPORT_LOG_KEY_FILE: of the key spec ECC_NIST_EDWARDS25519. EXPORT_LOG_VERIFIER_KEY must be its public key.',
      fallbackShown: 'a file, or no log',
    }),
  ),
  EXPORT_LOG_VERIFIER_KEY: optional(
    textOf(verifierKey, 'a verifier key, as the line `log-running` has it', {
      meaning:
        'The public key of the log, instead of EXPORT_LOG_KEY_FILE, where another process (`npm run log`) or KMS signs.',
      fallbackShown: 'that of EXPORT_LOG_KEY_FILE',
    }),
  ),
  EXPORT_LOG_PREVIOUS_KEY_FILE: optional(
    fileOf(readSigningKey, 'the path of an Ed25519 private key in PEM (PKCS #8)', {
      meaning: 'The key before, while the key of the log is changed.',
      fallbackShown: 'the key is not changed',
    }),
  ),
  EXPORT_LOG_PREVIOUS_KMS_KEY_ID: optional(
    textOf(kmsKeyArn, kmsKeyAccepts, {
      meaning: 'The key before, where it is in AWS KMS.',
      fallbackShown: 'the key is not changed',
    }),
  ),
  EXPORT_LOG_PREVIOUS_VERIFIER_KEY: optional(
    textOf(verifierKey, 'a verifier key', {
      meaning: 'The public key of EXPORT_LOG_PREVIOUS_KMS_KEY_ID.',
      fallbackShown: 'the key is not changed',
    }),
  ),
  EXPORT_LOG_INTERVAL_MS: wholeNumber(
    { min: 100, max: 86_400_000 },
    { meaning: 'How often finished batches are logged and a signed checkpoint is published.', fallback: 300_000 },
  ),
  EXPORT_LOG_WITNESS_POLICY: optional(
    fileOf(parseWitnessPolicy, 'the path of a witness policy (C2SP tlog-policy)', {
      meaning: 'Witnesses that cosign each checkpoint. One that does not answer holds up nothing.',
      fallbackShown: 'no witnesses',
    }),
  ),
  EXPORT_LOG_TSA_URL: optional(
    // A URL may have a password.
    secret(
      urlOf(/^https?:$/, 'an http or https URL', {
        meaning: 'A time-stamping authority (RFC 3161) that stamps each checkpoint.',
        fallbackShown: 'no time stamps',
      }),
    ),
  ),
} as const;

export type LogEnvironment = SettingValues<typeof logEnvironment>;

export const logRelations: readonly Relation<typeof logEnvironment>[] = [
  {
    between: ['EXPORT_LOG_ORIGIN', 'EXPORT_LOG_KEY_FILE', 'EXPORT_LOG_KMS_KEY_ID', 'EXPORT_LOG_VERIFIER_KEY'],
    problem: findLogProblem,
  },
  {
    between: [
      ...([
        'EXPORT_LOG_ORIGIN',
        'EXPORT_LOG_KEY_FILE',
        'EXPORT_LOG_KMS_KEY_ID',
        'EXPORT_LOG_PREVIOUS_KEY_FILE',
      ] as const),
      ...(['EXPORT_LOG_PREVIOUS_KMS_KEY_ID', 'EXPORT_LOG_PREVIOUS_VERIFIER_KEY'] as const),
    ],
    problem: findPreviousProblem,
  },
  {
    between: ['EXPORT_LOG_KEY_FILE', 'EXPORT_LOG_KMS_KEY_ID', 'EXPORT_LOG_WITNESS_POLICY', 'EXPORT_LOG_TSA_URL'],
    problem: (values) =>
      !signs(values) && (values.EXPORT_LOG_WITNESS_POLICY !== undefined || values.EXPORT_LOG_TSA_URL !== undefined)
        ? 'EXPORT_LOG_WITNESS_POLICY and EXPORT_LOG_TSA_URL need EXPORT_LOG_KEY_FILE or EXPORT_LOG_KMS_KEY_ID: the process that signs asks others.'
        : null,
  },
  {
    between: ['EXPORT_LOG_ORIGIN', 'EXPORT_LOG_WITNESS_POLICY'],
    problem: ({ EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_WITNESS_POLICY: policy }) =>
      origin !== undefined && policy?.isFor(origin) === false
        ? `EXPORT_LOG_WITNESS_POLICY is not for the log ${origin}.`
        : null,
  },
];

function signs({ EXPORT_LOG_KEY_FILE: keyFile, EXPORT_LOG_KMS_KEY_ID: kmsKey }: Partial<LogEnvironment>): boolean {
  return keyFile !== undefined || kmsKey !== undefined;
}

function findLogProblem({
  EXPORT_LOG_ORIGIN: origin,
  EXPORT_LOG_KEY_FILE: keyFile,
  EXPORT_LOG_KMS_KEY_ID: kmsKey,
  EXPORT_LOG_VERIFIER_KEY: publicKey,
}: Partial<LogEnvironment>): string | null {
  const hasKey = keyFile !== undefined || kmsKey !== undefined || publicKey !== undefined;
  if (origin === undefined)
    return hasKey ? 'A key of the log is set without EXPORT_LOG_ORIGIN; a log needs both.' : null;
  if (!hasKey)
    return 'EXPORT_LOG_ORIGIN is set alone; a log needs EXPORT_LOG_KEY_FILE too, or EXPORT_LOG_VERIFIER_KEY where another process signs.';
  if (keyFile !== undefined && kmsKey !== undefined)
    return 'EXPORT_LOG_KEY_FILE and EXPORT_LOG_KMS_KEY_ID are both set; one key signs.';
  if (keyFile !== undefined && publicKey !== undefined)
    return 'EXPORT_LOG_KEY_FILE and EXPORT_LOG_VERIFIER_KEY are both set; a process signs or it does not.';
  if (kmsKey !== undefined && publicKey === undefined)
    return 'EXPORT_LOG_KMS_KEY_ID needs EXPORT_LOG_VERIFIER_KEY: `npm run verify-archive -- --public-key FILE --name ORIGIN` makes it of the public key.';
  if (publicKey !== undefined && parseVerifierKey(publicKey)?.name !== origin)
    return `EXPORT_LOG_VERIFIER_KEY is not a key of the log ${origin}.`;
  return null;
}

function findPreviousProblem(values: Partial<LogEnvironment>): string | null {
  const {
    EXPORT_LOG_ORIGIN: origin,
    EXPORT_LOG_PREVIOUS_KEY_FILE: keyFile,
    EXPORT_LOG_PREVIOUS_KMS_KEY_ID: kmsKey,
    EXPORT_LOG_PREVIOUS_VERIFIER_KEY: publicKey,
  } = values;
  if (keyFile !== undefined && kmsKey !== undefined)
    return 'EXPORT_LOG_PREVIOUS_KEY_FILE and EXPORT_LOG_PREVIOUS_KMS_KEY_ID are both set; one key was the key before.';
  if ((kmsKey === undefined) !== (publicKey === undefined))
    return 'EXPORT_LOG_PREVIOUS_KMS_KEY_ID and EXPORT_LOG_PREVIOUS_VERIFIER_KEY are set together, or neither.';
  if (keyFile !== undefined && !signs(values)) return 'EXPORT_LOG_PREVIOUS_KEY_FILE needs EXPORT_LOG_KEY_FILE.';
  if (kmsKey !== undefined && !signs(values))
    return 'EXPORT_LOG_PREVIOUS_KMS_KEY_ID needs EXPORT_LOG_KEY_FILE or EXPORT_LOG_KMS_KEY_ID.';
  if (publicKey !== undefined && origin !== undefined && parseVerifierKey(publicKey)?.name !== origin)
    return `EXPORT_LOG_PREVIOUS_VERIFIER_KEY is not a key of the log ${origin}.`;
  return null;
}
