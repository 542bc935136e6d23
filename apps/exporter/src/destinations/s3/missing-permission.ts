import type { SinkFault } from './s3-fault.ts';

/** Refusals with 403 that no permission mends. */
const otherReasons = new Set([
  'AccountProblem',
  'AllAccessDisabled',
  'ExpiredToken',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidObjectState',
  'InvalidToken',
  'NotSignedUp',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
]);

/**
 * The permission that a refused request lacks, or null when it lacks none. AWS mostly names it; where it does not, it is
 * `asked`, what the request takes.
 */
export function missingPermission({ status, code, message, role }: SinkFault, asked: string): string | null {
  const named = /\b(?:s3|kms|sts):[A-Z]\w+/.exec(message)?.[0];
  if (code.startsWith('KMS.')) return named ?? 'kms:GenerateDataKey, kms:Decrypt';
  if (status !== 403 || otherReasons.has(code)) return null;
  return named ?? (role === null ? asked : 'sts:AssumeRole');
}
