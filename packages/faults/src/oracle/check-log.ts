import { parseVerifierKey, type VerifierKey } from '@auditbox/evidence/signed-note.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import type { Scene } from '../scene/scene.ts';

/** What the auditor's command finds broken in a scene's bucket, one sentence each. */
export async function checkLog({ name, bucket, exporterEnv }: Scene, key: string): Promise<string[]> {
  const source = {
    kind: 's3',
    ...{
      bucket: bucket.name,
      prefix: name === '' ? 'audit_logs/' : `audit_logs/cell=${name}/`,
      region: 'us-east-1',
      endpoint: exporterEnv.S3_ENDPOINT ?? '',
    },
    ...{ ...testCredentials, sessionToken: null },
  } as const;
  const { exitCode, findings } = await runArchive(
    { source, key: parseVerifierKey(key) as VerifierKey, level: 'content', stateFile: null, full: false, sample: 0 },
    { onFinding() {}, onProgress() {} },
  );
  if (exitCode === 1) return ['There is no signed checkpoint.'];
  // Objects that are exported during the check are not logged yet.
  return findings.filter(({ kind }) => kind === 'broken').map(({ code, what, says }) => `${code} ${what}: ${says}`);
}
