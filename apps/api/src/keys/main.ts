import { randomBytes } from 'node:crypto';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { createKey, listKeys, revokeKey } from '@auditbox/db/keys/api-keys.ts';
import { commonSettings } from '@auditbox/process/common-settings.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { hashKey } from '../http/auth.ts';
import { keysCli } from './cli.ts';

const { DATABASE_URL, DATABASE_SCHEMA } = commonSettings;

async function withDatabase(work: (db: ReturnType<typeof connectDatabase>) => Promise<void>): Promise<void> {
  const values = readSettings({ DATABASE_URL, DATABASE_SCHEMA }, process.env);
  const db = connectDatabase({
    url: values.DATABASE_URL,
    schema: values.DATABASE_SCHEMA,
    application: 'auditbox keys',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  });
  try {
    await work(db);
  } finally {
    await db.close(1_000);
  }
}

const cli = keysCli({
  create: (name, scopes) =>
    withDatabase(async (db) => {
      const key = `ab_${randomBytes(32).toString('base64url')}`;
      if (!(await createKey(db, name, hashKey(key), scopes))) exitWith(`A key named "${name}" exists already.`);
      process.stderr.write(`Key "${name}" (${scopes.join(', ')}). It is not shown again:\n`);
      process.stdout.write(`${key}\n`);
    }),
  list: () =>
    withDatabase(async (db) => {
      for (const { name, scopes, createdAt, revokedAt } of await listKeys(db)) {
        process.stdout.write(
          `${[name, scopes.join(), createdAt, revokedAt ? `revoked ${revokedAt}` : 'valid'].join('\t')}\n`,
        );
      }
    }),
  revoke: (name) =>
    withDatabase(async (db) => {
      if (!(await revokeKey(db, name))) exitWith(`There is no valid key named "${name}".`);
      process.stderr.write(`The key "${name}" is revoked.\n`);
    }),
});

cli.parseAsync().catch((error: unknown) => {
  exitWith(error instanceof DatabaseError ? error.sentence : error);
});
