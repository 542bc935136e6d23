import { hash } from 'node:crypto';

/** What Hive and Athena read as null. */
const noTenant = '__HIVE_DEFAULT_PARTITION__';

/**
 * The name of a folder on a disk has at most 255 bytes, and a copied bucket lies on a disk. Some stores and copiers encode a key
 * once more for its path, so that length counts.
 */
const mostLetters = 240;
const keptLetters = 90;

/**
 * The folder of a batch that holds one tenant's events, such as `tenant=acme/`; empty for a batch of all tenants.
 *
 * The name is percent-encoded, as Hive reads it, so no tenant can leave its folder. Two tenants never share a folder: a name
 * that is too long ends in `~` and its hash, and no other name has a `~`.
 */
export function tenantFolder(tenant: string | null): string {
  if (tenant === null) return '';
  if (tenant === '') return `tenant=${noTenant}/`;
  const encoded = tenant === noTenant ? `%5F${noTenant.slice(1)}` : encodeURIComponent(tenant).replaceAll('~', '%7E');
  if (encodeURIComponent(encoded).length <= mostLetters) return `tenant=${encoded}/`;
  const begin = encoded.slice(0, keptLetters).replace(/%[0-9A-F]?$/, '');
  return `tenant=${begin}~${hash('sha256', tenant).slice(0, 32)}/`;
}
