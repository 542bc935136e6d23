import { nameKinds } from '@auditbox/core/redact/secret-names.ts';
import { valueKinds } from '@auditbox/core/redact/secret-values.ts';
import { listOfEach, oneOf, optional, type Relation, type SettingValues } from '@auditbox/process/settings.ts';
import { randomKey } from '../random-key.ts';
import type { RedactSettings } from './redact.ts';

const kinds = [...new Set([...nameKinds, ...valueKinds])].sort();

/** The environment variables about redaction. */
export const redactEnvironment = {
  AUDIT_REDACT_MODE: oneOf(['off', 'mask', 'hmac'], {
    meaning:
      'What happens to secrets in events before anything is stored. `mask`: `[redacted:<kind>]` stands in for them. `hmac`: also a short keyed digest, so that equal secrets are seen to be equal. `off`: they are stored.',
    fallback: 'mask',
  }),
  AUDIT_REDACT_KEY: optional(
    randomKey({ meaning: 'The key of the digests of `hmac`. All apis need the same one.', fallbackShown: 'none' }),
  ),
  AUDIT_REDACT_NAMES: listOfEach(/^[a-z][a-z0-9_-]{1,63}$/, 'names in lower case separated by commas', {
    meaning:
      'Names of further members that hold secrets, such as `ssn`. Case and separators do not count. Texts that assign to such a name, as `ssn=…`, hold secrets too.',
    fallback: [],
    fallbackShown: 'none',
  }),
  AUDIT_REDACT_PREFIXES: listOfEach(/^[A-Za-z][A-Za-z0-9_-]{2,31}$/, 'beginnings of tokens separated by commas', {
    meaning: 'Beginnings of further tokens, such as `acme_`. At least 16 letters, digits, `_`, `-` or `.` follow.',
    fallback: [],
    fallbackShown: 'none',
  }),
  AUDIT_REDACT_SKIP: listOfEach(new RegExp(`^(?:${kinds.join('|')})$`), `of ${kinds.join(', ')}`, {
    meaning: 'Kinds of secrets that stay.',
    fallback: [],
    fallbackShown: 'none',
  }),
} as const;

export const redactRelations: readonly Relation<typeof redactEnvironment>[] = [
  {
    between: ['AUDIT_REDACT_MODE', 'AUDIT_REDACT_KEY'],
    problem: ({ AUDIT_REDACT_MODE: mode, AUDIT_REDACT_KEY: key }) =>
      mode === 'hmac' && key === undefined ? 'AUDIT_REDACT_MODE=hmac needs AUDIT_REDACT_KEY.' : null,
  },
];

export function nestRedaction(values: SettingValues<typeof redactEnvironment>): RedactSettings {
  const { AUDIT_REDACT_MODE: kind, AUDIT_REDACT_KEY: key = '' } = values;
  const rules = {
    names: values.AUDIT_REDACT_NAMES,
    prefixes: values.AUDIT_REDACT_PREFIXES,
    skippedKinds: values.AUDIT_REDACT_SKIP,
  };
  if (kind === 'off') return { kind };
  return kind === 'mask' ? { kind, ...rules } : { kind, key, ...rules };
}
