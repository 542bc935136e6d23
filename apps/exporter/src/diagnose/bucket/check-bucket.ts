import type { Inspector } from '../../destinations/inspector.ts';
import type { ExporterConfig } from '../../settings.ts';
import { type Finding, fails, reasons, unknown, works } from '../finding.ts';

export interface BucketChecked {
  readonly findings: readonly Finding[];
  /** False when nothing else could work. */
  readonly goOn: boolean;
  /** How far the store's clock is ahead of this machine's, in ms. */
  readonly aheadMs: number | null;
}

/** Whether there are credentials, and with them a bucket. */
export async function checkBucket(
  inspector: Inspector,
  { S3_BUCKET: bucket }: ExporterConfig,
  signal: AbortSignal,
): Promise<BucketChecked> {
  const credentials = await inspector.credentials(signal);
  if (credentials.kind === 'refused') {
    const findings = [fails('credentials', credentials.message, reasons(credentials, 'the role')), notAsked('bucket')];
    return { findings, goOn: false, aheadMs: null };
  }
  const { source, expiresAt } = credentials;
  const ends = expiresAt === null ? 'They do not expire.' : `These last until ${expiresAt}.`;
  const found = works('credentials', `Found in ${source}. ${ends}`);

  const { refusal, region, storeTimeMs } = await inspector.bucket(signal);
  const aheadMs = storeTimeMs === null ? null : storeTimeMs + halfASecond - Date.now();
  const where = region === null ? '' : ` It is in the region ${region}.`;
  if (refusal === null) {
    return { findings: [found, works('bucket', `s3://${bucket} is there.${where}`)], goOn: true, aheadMs };
  }
  if (refusal.permission) {
    const says = `The store does not say whether s3://${bucket} is there: ${refusal.message}`;
    return {
      findings: [found, unknown('bucket', says, reasons(refusal, `arn:aws:s3:::${bucket}`))],
      goOn: true,
      aheadMs,
    };
  }
  const advice = region === null ? null : `Set S3_REGION to ${region}.`;
  return { findings: [found, fails('bucket', refusal.message, { advice })], goOn: false, aheadMs };
}

/** The store tells whole seconds: what is left off is half a one on average. */
const halfASecond = 500;

/** Something needed that was not looked at, since what it takes does not work. */
export function notAsked(what: string): Finding {
  return unknown(what, 'Not tried, for the reason above.', { needed: true });
}
