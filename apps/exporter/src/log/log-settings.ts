import {
  createKeySigner,
  type NoteSigner,
  parseVerifierKey,
  type VerifierKey,
} from '@auditbox/evidence/signed-note.ts';
import type { WitnessPolicy } from '@auditbox/evidence/witness-policy.ts';
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
  const { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: pem, EXPORT_LOG_INTERVAL_MS: intervalMs } = values;
  if (origin === undefined) return null;
  const signer = pem === undefined ? null : createKeySigner(origin, pem);
  const previousPem = values.EXPORT_LOG_PREVIOUS_KEY_FILE;
  const previousSigner = previousPem === undefined ? null : createKeySigner(origin, previousPem);
  const key = signer?.key ?? (parseVerifierKey(values.EXPORT_LOG_VERIFIER_KEY ?? '') as VerifierKey);
  return {
    ...{ origin, key, signer, previousSigner, intervalMs },
    witnesses: values.EXPORT_LOG_WITNESS_POLICY ?? null,
    authorityUrl: values.EXPORT_LOG_TSA_URL ?? null,
  };
}
