import { connectDatabase } from '@auditbox/db/database/connect.ts';
import type { DatabasePlaces } from '@auditbox/process/cell-settings.ts';
import { createCellHealth } from '../cells/cell-health.ts';
import { createCellKeyStore } from '../cells/cell-keys.ts';
import { createKeyStore, type KeyStore } from './key-store.ts';

/** The keys for `npm run keys`: of the database, or of all cells. */
export function openKeys(places: DatabasePlaces): { readonly keys: KeyStore; close(): Promise<void> } {
  const addresses = places.kind === 'one' ? [{ ...places, name: '' }] : places.cells;
  const open = addresses.map(({ name, url, schema }) => {
    const db = connectDatabase({
      url,
      schema,
      cell: name === '' ? undefined : name,
      application: 'auditbox keys',
      maxConnections: 1,
      statementTimeoutMs: 10_000,
    });
    return { name, changesDb: db, keys: createKeyStore(db) };
  });
  const [first] = open;
  return {
    keys: places.kind === 'one' && first !== undefined ? first.keys : createCellKeyStore(open, createCellHealth(open)),
    async close() {
      await Promise.all(open.map(({ changesDb }) => changesDb.close(1_000)));
    },
  };
}
