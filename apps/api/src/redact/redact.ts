import { createHmac, hash } from 'node:crypto';
import type { Problem } from '@auditbox/core/event/audit-event.ts';
import { createRedactor, type Redactor } from '@auditbox/core/redact/redact-event.ts';

/** Whether and how secrets in events are replaced before anything is stored. */
export type RedactSettings =
  | { readonly kind: 'off' }
  | ({ readonly kind: 'mask' } & RedactRuleSettings)
  | ({ readonly kind: 'hmac'; readonly key: string } & RedactRuleSettings);

interface RedactRuleSettings {
  readonly names: readonly string[];
  readonly prefixes: readonly string[];
  readonly skippedKinds: readonly string[];
}

/** Enough to tell secrets apart, and too few to guess one by. */
const digestDigits = 16;

/** Null: events are stored as they are sent. */
export function createApiRedactor(settings: RedactSettings): Redactor | null {
  if (settings.kind === 'off') return null;
  const { names, prefixes, skippedKinds } = settings;
  const digest =
    settings.kind === 'mask'
      ? null
      : (secret: string) => createHmac('sha256', settings.key).update(secret).digest('hex').slice(0, digestDigits);
  return createRedactor({ names, prefixes, skippedKinds, digest, sha256 });
}

const ownTexts = createRedactor({ names: [], prefixes: [], skippedKinds: [], digest: null, sha256 });

/** A text of a caller for the log or an answer, in every mode: both are kept by others. */
export function hideSecrets(text: string): string {
  return ownTexts.redactText(text);
}

/** A problem for an answer: its path may be a name of the caller, and its message may quote one. */
export function hideSecretsOf({ path, message }: Problem): Problem {
  return { path: hideSecrets(path), message: hideSecrets(message) };
}

function sha256(text: string): string {
  return hash('sha256', text);
}
