import {
  createKeySigner,
  type NoteSigner,
  parseVerifierKey,
  type VerifierKey,
} from '@auditbox/evidence/signed-note.ts';
import type { WitnessPolicy } from '@auditbox/evidence/witness-policy.ts';
import { createKmsSigner } from './kms-signer.ts';
import type { LogEnvironment } from './log-environment.ts';

/** The log of batches: its name, its key, and how often a checkpoint is published. */
export interface LogSettings {
  /** Never used for another log. */
  readonly origin: string;
  readonly key: VerifierKey;
  /** Null when another process signs. */
  readonly signer: NoteSigner | null;
  /** The key before, until its change is published. */
  readonly previousSigner: NoteSigner | null;
  readonly intervalMs: number;
  /** Who cosigns checkpoints; null: nobody is asked. */
  readonly witnesses: WitnessPolicy | null;
  /** The time-stamping authority; null: nobody is asked. */
  readonly authorityUrl: string | null;
}

/** Null without a log. */
export function parseLogSettings(values: LogEnvironment): LogSettings | null {
  const { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_INTERVAL_MS: intervalMs } = values;
  if (origin === undefined) return null;
  const signer = readSigner(origin, {
    pem: values.EXPORT_LOG_KEY_FILE,
    kms: values.EXPORT_LOG_KMS_KEY_ID,
    verifierKey: values.EXPORT_LOG_VERIFIER_KEY,
  });
  const previousSigner = readSigner(origin, {
    pem: values.EXPORT_LOG_PREVIOUS_KEY_FILE,
    kms: values.EXPORT_LOG_PREVIOUS_KMS_KEY_ID,
    verifierKey: values.EXPORT_LOG_PREVIOUS_VERIFIER_KEY,
  });
  const key = signer?.key ?? readVerifierKey(values.EXPORT_LOG_VERIFIER_KEY);
  return {
    ...{ origin, key, signer, previousSigner, intervalMs },
    witnesses: values.EXPORT_LOG_WITNESS_POLICY ?? null,
    authorityUrl: values.EXPORT_LOG_TSA_URL ?? null,
  };
}

function readSigner(
  origin: string,
  given: {
    readonly pem: string | undefined;
    readonly kms: string | undefined;
    readonly verifierKey: string | undefined;
  },
): NoteSigner | null {
  if (given.pem !== undefined) return createKeySigner(origin, given.pem);
  return given.kms === undefined ? null : createKmsSigner(given.kms, readVerifierKey(given.verifierKey));
}

/** The relations of the settings have checked it. */
function readVerifierKey(text = ''): VerifierKey {
  return parseVerifierKey(text) as VerifierKey;
}
