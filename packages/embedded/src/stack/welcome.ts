import { join } from 'node:path';
import { clusterUrl } from '../postgres/cluster.ts';
import type { StackPlan } from './services.ts';

/** The text that `npm start` shows once everything runs. A test runs its commands as they are. */
export function welcomeText(
  { cluster, s3, apiPort, exporterPort, log, masterKey }: StackPlan,
  { home, readyMs }: { home: string; readyMs: number },
): string {
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const keyFile = join(home, 'master-key');
  const auth =
    masterKey.source === 'given'
      ? '-H "Authorization: Bearer $AUDIT_MASTER_KEY"'
      : `-H "Authorization: Bearer $(cat ${quoteForShell(keyFile)})"`;
  const key = {
    given: 'the one in AUDIT_MASTER_KEY',
    new: `${masterKey.value}   (shown only now; stored in ${keyFile})`,
    kept: `in ${keyFile}`,
  }[masterKey.source];
  return `
Auditbox runs (ready after ${(readyMs / 1000).toFixed(1)} s).

  page       ${apiUrl}/ui   (sign in with the key below)
  api        ${apiUrl}
  docs       ${apiUrl}/docs
  exporter   http://127.0.0.1:${exporterPort}/readyz
  postgres   ${clusterUrl(cluster).replace(/:[^:@/]+@/, ':…@')}
  objects    ${join(s3.folder, 'buckets', s3.bucket, 'objects')}
  log key    ${log.verifierKey}
  key        ${key}

Record an event:

  curl -sS ${apiUrl}/audit ${auth} -H 'Content-Type: application/json' -d '{
    "changed_by": "ana@example.com", "action": "updated", "table_name": "teams", "object_id": "42",
    "before_value": {"max_budget": 10}, "updated_values": {"max_budget": 25}
  }'

Read it:

  curl -sS "${apiUrl}/audit?table_name=teams" ${auth}

About ten seconds later the folder above contains its object. GET ${apiUrl}/audit/<id> returns the object's key. Ten seconds after that the signed
log names the object:

  S3_ENDPOINT=http://127.0.0.1:${s3.port} AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any npm run verify-archive -- --s3 ${s3.bucket} --key '${log.verifierKey}'

While it runs, the other commands work with it: npm run status, npm run doctor, npm run keys -- list.
The store accepts any credentials and overwrites objects. Use a real one for evidence.

Ctrl-C stops everything.

`;
}

/** A folder such as /home/o'brien has a quote in its name. */
function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
