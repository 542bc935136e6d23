import { join } from 'node:path';
import { quoteForShell } from '@auditbox/core/text/quote-for-shell.ts';
import { clusterUrl } from '../postgres/cluster.ts';
import type { StackPlan } from './services.ts';

export interface Started {
  /** The folder of all data. */
  readonly home: string;
  /** Whether the other commands look there without being told. */
  readonly isDefaultHome: boolean;
  readonly readyMs: number;
}

/** Where everything is. */
function listAddresses({ cluster, s3, apiPort, exporterPort, log }: StackPlan) {
  const api = `http://127.0.0.1:${apiPort}`;
  return {
    page: `${api}/ui`,
    api,
    docs: `${api}/docs`,
    exporter: `http://127.0.0.1:${exporterPort}/readyz`,
    postgres: clusterUrl(cluster).replace(/:[^:@/]+@/, ':…@'),
    store: `http://127.0.0.1:${s3.port}`,
    objects: join(s3.folder, 'buckets', s3.bucket, 'objects'),
    logKey: log.verifierKey,
  };
}

/** The same for a program. The key itself is not in it, because logs keep what a program reads. */
export function welcomeJson(plan: StackPlan, { home, readyMs }: Started): string {
  const keyFile = plan.masterKey.source === 'given' ? null : join(home, 'master-key');
  return `${JSON.stringify({ ...listAddresses(plan), keyFile, readyMs: Math.round(readyMs) })}\n`;
}

/** The text that `npm start` shows once everything runs. A test runs its commands as they are. */
export function welcomeText(plan: StackPlan, { home, isDefaultHome, readyMs }: Started): string {
  const { s3, masterKey } = plan;
  const { page, api, docs, exporter, postgres, store, objects, logKey } = listAddresses(plan);
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
  const where = isDefaultHome ? '' : `AUDITBOX_DATA=${quoteForShell(home)} `;
  return `
Auditbox runs (ready after ${(readyMs / 1000).toFixed(1)} s).

  page       ${page}   (sign in with the key below)
  api        ${api}
  docs       ${docs}
  exporter   ${exporter}
  postgres   ${postgres}
  objects    ${objects}
  log key    ${logKey}
  key        ${key}

Record an event:

  curl -sS ${api}/audit ${auth} -H 'Content-Type: application/json' -d '{
    "changed_by": "ana@example.com", "action": "updated", "table_name": "teams", "object_id": "42",
    "before_value": {"max_budget": 10}, "updated_values": {"max_budget": 25}
  }'

Read it:

  curl -sS "${api}/audit?table_name=teams" ${auth}

About ten seconds later the folder above contains its object. GET ${api}/audit/<id> returns the object's key. Ten seconds after that the signed
log names the object:

  S3_ENDPOINT=${store} AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any npm run verify-archive -- --s3 ${s3.bucket} --key '${logKey}'

While it runs, the other commands work with it:

${['status', 'doctor', 'keys -- list'].map((name) => `  ${where}npm run ${name}\n`).join('')}
The store accepts any credentials and overwrites objects. Use a real one for evidence.

Ctrl-C stops everything.

`;
}
