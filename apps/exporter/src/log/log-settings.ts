import type { NoteSigner, VerifierKey } from '@auditbox/evidence/signed-note.ts';

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
}
