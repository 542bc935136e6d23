/** What a newcomer needs to try a running stack. */
export interface Welcome {
  readonly apiUrl: string;
  readonly exporterUrl: string;
  readonly databaseUrl: string;
  readonly keyFile: string;
  /** Only when it was made just now. */
  readonly newKey: string | null;
  readonly objectsFolder: string;
  readonly readyMs: number;
}

/** The text that `npm start` shows once everything runs; the commands can be pasted as they are. */
export function welcomeText(welcome: Welcome): string {
  const { apiUrl, exporterUrl, databaseUrl, keyFile, newKey, objectsFolder, readyMs } = welcome;
  const auth = `-H "Authorization: Bearer $(cat '${keyFile}')"`;
  const key = newKey === null ? `in ${keyFile}` : `${newKey}   (shown once; kept in ${keyFile})`;
  return `
Auditbox runs (ready after ${(readyMs / 1000).toFixed(1)} s).

  api        ${apiUrl}
  exporter   ${exporterUrl}/readyz
  postgres   ${databaseUrl.replace(/:[^:@/]+@/, ':…@')}
  objects    ${objectsFolder}
  key        ${key}

Record an event:

  curl -sS ${apiUrl}/audit ${auth} -H 'Content-Type: application/json' -d '{
    "changed_by": "ana@example.com", "action": "updated", "table_name": "teams", "object_id": "42",
    "before_value": {"max_budget": 10}, "updated_values": {"max_budget": 25}
  }'

Ask for it:

  curl -sS "${apiUrl}/audit?table_name=teams" ${auth}

Within a few seconds its object appears under the folder above; GET ${apiUrl}/audit/<id> names it. Ctrl-C stops all.

`;
}
