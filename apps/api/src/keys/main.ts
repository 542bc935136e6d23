import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { KeyPlace, StoredKey } from '@auditbox/db/keys/find-keys.ts';
import { cellRelations, cellSettings, nestCells } from '@auditbox/process/cell-settings.ts';
import { exitWith } from '@auditbox/process/exit-with.ts';
import { readSettings } from '@auditbox/process/settings.ts';
import { CellsDifferError } from '../cells/cells-differ-error.ts';
import { apiSettingTable } from '../settings.ts';
import { type ChosenKey, keysCli } from './cli.ts';
import { issueSecret } from './issue-key.ts';
import type { KeyStore } from './key-store.ts';
import { openKeys } from './open-keys.ts';
import { showKey } from './show-key.ts';

const { AUDIT_KEY_ENV } = apiSettingTable;

async function withKeys(work: (keys: KeyStore, env: string) => Promise<void>): Promise<void> {
  const table = { ...cellSettings, AUDIT_KEY_ENV };
  const values = readSettings(table, process.env, cellRelations);
  const { keys, close } = openKeys(nestCells(values));
  try {
    await work(keys, values.AUDIT_KEY_ENV);
  } finally {
    await close();
  }
}

/** A failed command ends the process, so that no exit code says otherwise. */
async function requireKey(keys: KeyStore, { name, id }: ChosenKey): Promise<{ id: string; name: string }> {
  if (id !== null) {
    const known = await keys.findStored(id, allTenants);
    const isKnown = known !== null && known.revokedAt === null;
    return isKnown ? { id, name: known.name } : exitWith(`There is no valid key with the id ${id}.`);
  }
  const [first, ...others] = await keys.findNamed(name);
  if (first === undefined) exitWith(`There is no valid key named "${name}".`);
  if (others.length > 0) exitWith(`Keys of several tenants are named "${name}". Give --id instead of --name.`);
  return { id: first.keyId, name };
}

async function listAll(keys: KeyStore): Promise<StoredKey[]> {
  const all: StoredKey[] = [];
  let after: KeyPlace | null = null;
  do {
    const page = await keys.list({ tenant: allTenants, after, limit: 1_000 });
    all.push(...page.keys);
    after = page.next;
  } while (after !== null);
  return all;
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
    withKeys(async (keys, env) => {
      const { key, ...secret } = issueSecret(env);
      const expiresAt = expiresInMs === null ? null : new Date(Date.now() + expiresInMs).toISOString();
      const id = await keys.create({ name, ...secret, scopes, tenant, bounds, expiresAt }, null);
      if (id === null) exitWith(`A valid key named "${name}" exists already.`);
      if (json) return printJson({ id, name, scopes, key });
      process.stderr.write(`Key "${name}" (${scopes.join(', ')}) with the id ${id}. It is not shown again:\n`);
      process.stdout.write(`${key}\n`);
    }),
  list: ({ json }) =>
    withKeys(async (keys) => {
      const stored = await listAll(keys);
      if (json) {
        process.stdout.write(`${JSON.stringify(stored.map(showKey), null, 2)}\n`);
        return;
      }
      for (const key of stored) {
        const { name, scopes, prefix, createdAt, lastUsedAt } = key;
        const used = lastUsedAt === null ? 'never used' : `last used ${lastUsedAt}`;
        process.stdout.write(
          `${[JSON.stringify(name).slice(1, -1), scopes.join(), prefix, createdAt, used, stateOf(key)].join('\t')}\n`,
        );
      }
    }),
  rotate: ({ chosen, overlapMs, json }) =>
    withKeys(async (keys, env) => {
      const { key, ...secret } = issueSecret(env);
      const { id, name } = await requireKey(keys, chosen);
      if (!(await keys.rotate(id, secret, overlapMs / 1000, null))) exitWith(`The key "${name}" has expired.`);
      if (json) return printJson({ id, name, key });
      process.stderr.write(
        `The key "${name}" has a new secret. The old one is valid for ${overlapMs / 1000} more seconds. It is not shown again:\n`,
      );
      process.stdout.write(`${key}\n`);
    }),
  revoke: ({ chosen, json }) =>
    withKeys(async (keys) => {
      const { id, name } = await requireKey(keys, chosen);
      if (!(await keys.revoke(id, null))) exitWith(`There is no valid key with the id ${id}.`);
      if (json) return printJson({ id, name });
      process.stderr.write(`The key "${name}" is revoked.\n`);
    }),
});

cli.parseAsync().catch((error: unknown) => {
  if (error instanceof CellsDifferError) exitWith(error.message);
  exitWith(error instanceof DatabaseError ? error.sentence : error);
});
