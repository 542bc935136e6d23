import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type DatabaseAddress, parseDatabaseUrl } from '@auditbox/core/database-url.ts';
import type { Options } from 'postgres';
import { addTlsFiles, namesFiles } from './tls-files.ts';

/** What DATABASE_URL says, for the driver. `writes` wants the server that takes writes where several are named. */
export interface DriverAddress {
  readonly isPooled: boolean;
  readonly options: Options<Record<string, never>>;
  readonly connection: Readonly<Record<string, string>>;
}

/** Throws DatabaseUrlError, also when a file of a certificate cannot be read. */
export function readDatabaseUrl(url: string, { writes }: { writes: boolean }): DriverAddress {
  const address = parseDatabaseUrl(url);
  const { servers, socket, user, password, database, isPooled, options } = address;
  return {
    isPooled,
    options: {
      ...(socket === null
        ? { host: servers.map(({ host }) => host), port: servers.map(({ port }) => port) }
        : { path: socket }),
      ...(user !== null && { user }),
      ...(database !== null && { database }),
      // Not undefined: the driver would take it from the environment.
      pass: password ?? '',
      prepare: !isPooled,
      ssl: tlsOptions(address),
      ...(address.tls.mode !== 'disable' && address.tls.negotiation === 'direct' && { sslnegotiation: 'direct' }),
      target_session_attrs: wantedServer(address, writes),
    } as Options<Record<string, never>>,
    connection: options === null ? {} : { options },
  };
}

/**
 * The driver's `read-write` accepts a standby, because it looks at default_transaction_read_only alone, which our sessions
 * set themselves. So `primary` it is.
 */
function wantedServer({ attributes, servers }: DatabaseAddress, writes: boolean): string | undefined {
  if (attributes === 'read-write') return 'primary';
  return attributes ?? (writes && servers.length > 1 ? 'primary' : undefined);
}

function tlsOptions({ tls, servers }: DatabaseAddress): Options<Record<string, never>>['ssl'] {
  if (tls.mode === 'disable') return false;
  if (tls.mode === 'prefer' && !namesFiles(tls)) return 'prefer';
  if (tls.mode === 'prefer' || tls.mode === 'require') return addTlsFiles({ rejectUnauthorized: false }, tls);
  const addresses = servers.map(({ host }) => host).filter((host) => isIP(host) !== 0);
  const options = {
    rejectUnauthorized: true,
    checkServerIdentity: (name: string, certificate: PeerCertificate) => {
      if (tls.mode === 'verify-ca') return undefined;
      // Without a server name, which an IP address is not, Node compares with "localhost".
      if (addresses.length === 0 || servers.some(({ host }) => host === name))
        return checkServerIdentity(name, certificate);
      const errors = addresses.map((address) => checkServerIdentity(address, certificate));
      return errors.includes(undefined) ? undefined : errors[0];
    },
  };
  return addTlsFiles(options, tls);
}
