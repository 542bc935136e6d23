import type { NoteSigner, VerifierKey } from '@auditbox/evidence/signed-note.ts';
import type { WitnessPolicy } from '@auditbox/evidence/witness-policy.ts';

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
