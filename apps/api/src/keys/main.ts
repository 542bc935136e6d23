import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { createKey, revokeKey, rotateKey } from '@auditbox/db/keys/change-keys.ts';
import { findKeyId, listKeys, type StoredKey } from '@auditbox/db/keys/find-keys.ts';
import { commonSettings } from '@auditbox/process/common-settings.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { apiSettingTable } from '../settings.ts';
import { keysCli } from './cli.ts';
import { issueSecret } from './issue-key.ts';
import { showKey } from './show-key.ts';

const { DATABASE_URL, DATABASE_SCHEMA } = commonSettings;
const { AUDIT_KEY_ENV } = apiSettingTable;
type Db = ReturnType<typeof connectDatabase>;

async function withDatabase(work: (db: Db, env: string) => Promise<void>): Promise<void> {
  const values = readSettings({ DATABASE_URL, DATABASE_SCHEMA, AUDIT_KEY_ENV }, process.env);
  const db = connectDatabase({
    url: values.DATABASE_URL,
    schema: values.DATABASE_SCHEMA,
    application: 'auditbox keys',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  });
  try {
    await work(db, values.AUDIT_KEY_ENV);
  } finally {
    await db.close(1_000);
  }
}

/** A failed command ends the process, so that no exit code says otherwise. */
async function requireKeyId(db: Db, name: string): Promise<string> {
  return (await findKeyId(db, name)) ?? exitWith(`There is no valid key named "${name}".`);
}

function stateOf({ revokedAt, replacedAt, expiresAt }: StoredKey): string {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  if (expiresAt !== null && Date.parse(expiresAt) <= Date.now()) return `expired ${expiresAt}`;
  const end = expiresAt === null ? '' : ` until ${expiresAt}`;
  return replacedAt === null ? `valid${end}` : `replaced, valid${end}`;
}

function printJson(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

const cli = keysCli({
  create: ({ name, scopes, tenant, bounds, expiresInMs, json }) =>
    withDatabase(async (db, env) => {
      const { key, ...secret } = issueSecret(env);
      const expiresAt = expiresInMs === null ? null : new Date(Date.now() + expiresInMs).toISOString();
      const id = await createKey(db, { name, ...secret, scopes, tenant, bounds, expiresAt }, null);
      if (id === null) exitWith(`A valid key named "${name}" exists already.`);
      if (json) return printJson({ id, name, scopes, key });
      process.stderr.write(`Key "${name}" (${scopes.join(', ')}) with the id ${id}. It is not shown again:\n`);
      process.stdout.write(`${key}\n`);
    }),
  list: ({ json }) =>
    withDatabase(async (db) => {
      const keys = await listKeys(db);
      if (json) {
        process.stdout.write(`${JSON.stringify(keys.map(showKey), null, 2)}\n`);
        return;
      }
      for (const key of keys) {
        const { name, scopes, prefix, createdAt, lastUsedAt } = key;
        const used = lastUsedAt === null ? 'never used' : `last used ${lastUsedAt}`;
        process.stdout.write(
          `${[JSON.stringify(name).slice(1, -1), scopes.join(), prefix, createdAt, used, stateOf(key)].join('\t')}\n`,
        );
      }
    }),
  rotate: ({ name, overlapMs, json }) =>
    withDatabase(async (db, env) => {
      const { key, ...secret } = issueSecret(env);
      const id = await requireKeyId(db, name);
      if (!(await rotateKey(db, id, secret, overlapMs / 1000, null))) exitWith(`The key "${name}" has expired.`);
      if (json) return printJson({ id, name, key });
      process.stderr.write(
        `The key "${name}" has a new secret. The old one is valid for ${overlapMs / 1000} more seconds. It is not shown again:\n`,
      );
      process.stdout.write(`${key}\n`);
    }),
  revoke: ({ name, json }) =>
    withDatabase(async (db) => {
      const id = await requireKeyId(db, name);
      await revokeKey(db, id, null);
      if (json) return printJson({ id, name });
      process.stderr.write(`The key "${name}" is revoked.\n`);
    }),
});

cli.parseAsync().catch((error: unknown) => {
  exitWith(error instanceof DatabaseError ? error.sentence : error);
});
