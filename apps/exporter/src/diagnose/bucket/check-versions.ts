import type { Inspector } from '../../destinations/inspector.ts';
import { type Finding, reasons, unknown, works } from '../finding.ts';

/** Whether what somebody else overwrites or deletes in the bucket can be had back. */
export async function checkVersions(
  inspector: Inspector,
  { S3_BUCKET: bucket }: { S3_BUCKET: string },
  signal: AbortSignal,
): Promise<{ finding: Finding; kept: boolean }> {
  const state = await inspector.versioning(signal);
  if (state.kind === 'refused') {
    return { finding: unknown('versions', state.message, reasons(state, `arn:aws:s3:::${bucket}`)), kept: false };
  }
  if (state.keepsVersions) {
    return { finding: works('versions', 'The bucket keeps versions.', { needed: false }), kept: true };
  }
  const advice = 'Enable versioning in the bucket: what somebody else overwrites or deletes there then stays.';
  return { finding: works('versions', 'The bucket keeps no versions.', { needed: false, advice }), kept: false };
}
