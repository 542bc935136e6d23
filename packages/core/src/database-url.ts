/*
 * DATABASE_URL as libpq, Prisma and the providers of databases write it. A parameter that is not listed here is refused:
 * the driver would send it to the server, which refuses the connection with a message that names no setting.
 */

import { type DatabaseTls, ignoreTls, readTls } from './database-tls.ts';
import { choose, DatabaseUrlError, decode, type Parameters, readParameters } from './database-url-parameters.ts';

type SessionAttributes = 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby';

export interface DatabaseAddress {
  /** Tried in this order. */
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  /** The path of a Unix socket, instead of the servers. */
  readonly socket: string | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  readonly tls: DatabaseTls;
  /** A pooler in transaction mode is in between: no prepared statements, no settings of a session. */
  readonly isPooled: boolean;
  /** Null: any server will do. */
  readonly attributes: SessionAttributes | null;
  /** Sent to the server as it is; Neon reads its endpoint from it. */
  readonly options: string | null;
}

/** Parameters that others read and that change nothing here. Auditbox has its own settings for the same. */
const withoutEffect = new Set([
  'application_name',
  'connect_timeout',
  'connection_limit',
  'pool_timeout',
  'schema',
  'statement_cache_size',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
]);

/** Throws DatabaseUrlError. */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const { userInfo, hosts, path, query } = split(text);
  const parameters = readParameters(query);
  const socket = readSocket(parameters, hosts);
  const colon = userInfo?.indexOf(':') ?? -1;
  const user = userInfo === null || userInfo === '' ? null : userInfo.slice(0, colon < 0 ? undefined : colon);
  const channelBinding = choose(parameters, 'channel_binding', ['disable', 'prefer', 'require']);
  const address: DatabaseAddress = {
    servers: socket === null ? readServers(hosts, userInfo !== null) : [],
    socket,
    user: user === null ? (parameters.take('user') ?? null) : decode(user, 'user'),
    password: colon < 0 ? (parameters.take('password') ?? null) : decode((userInfo ?? '').slice(colon + 1), 'password'),
    database: path === '' ? (parameters.take('dbname') ?? null) : decode(path, 'database'),
    tls: socket === null ? readTls(parameters, channelBinding === 'require') : ignoreTls(parameters),
    isPooled:
      choose(parameters, 'prepare', ['true', 'false']) === 'false' ||
      choose(parameters, 'pgbouncer', ['true', 'false']) === 'true',
    attributes: readAttributes(parameters),
    options: parameters.take('options') ?? null,
  };
  choose(parameters, 'gssencmode', ['disable', 'prefer']);
  const [unknown] = parameters.left().filter((name) => !withoutEffect.has(name));
  if (unknown !== undefined)
    throw new DatabaseUrlError(`it has the parameter \`${unknown}\`, which Auditbox does not know.`);
  return address;
}

interface Parts {
  readonly userInfo: string | null;
  readonly hosts: string;
  readonly path: string;
  readonly query: string;
}

const afterUser = /^([A-Za-z0-9._:,[\]%-]*)(?:\/([^?#/]*))?(?:\?(.*))?$/;

/** Passwords may have any character, so the user ends at the last `@` behind which the text is a host. */
function split(text: string): Parts {
  const rest = /^postgres(?:ql)?:\/\/(\S*)$/.exec(text)?.[1];
  if (rest === undefined)
    throw new DatabaseUrlError('it is not of the form postgres://user:password@host:5432/database.');
  for (let at = rest.lastIndexOf('@'); at >= 0; at = at === 0 ? -1 : rest.lastIndexOf('@', at - 1)) {
    const parts = afterUser.exec(rest.slice(at + 1));
    // An `@` in a parameter's value is behind the question mark that began them.
    if (parts && !/@[^?]*\?/.test(rest.slice(0, at).replace(/^[^@]*/, '')))
      return { userInfo: rest.slice(0, at), hosts: parts[1] ?? '', path: parts[2] ?? '', query: parts[3] ?? '' };
  }
  const parts = rest.includes('@') ? null : afterUser.exec(rest);
  if (!parts)
    throw new DatabaseUrlError(
      'its host, port or database has a character that does not belong there; percent-encode it.',
    );
  return { userInfo: null, hosts: parts[1] ?? '', path: parts[2] ?? '', query: parts[3] ?? '' };
}

function readAttributes(parameters: Parameters): SessionAttributes | null {
  const value = choose(parameters, 'target_session_attrs', [
    'any',
    'read-write',
    'read-only',
    'primary',
    'standby',
    'prefer-standby',
  ]);
  return value === undefined || value === 'any' ? null : value;
}

/** `?host=/var/run/postgresql`, or the percent-encoded path in the place of the host. */
function readSocket(parameters: Parameters, hosts: string): string | null {
  const asked = parameters.take('host') ?? (hosts.toLowerCase().startsWith('%2f') ? decode(hosts, 'host') : undefined);
  const port = parameters.take('port') ?? '5432';
  if (asked === undefined) return null;
  if (!asked.startsWith('/'))
    throw new DatabaseUrlError(
      'its parameter `host` is not the folder of a Unix socket; write a host name in front of the database.',
    );
  if (!/^\d{1,5}$/.test(port)) throw new DatabaseUrlError('its parameter `port` is not a number.');
  return `${asked.replace(/\/$/, '')}/.s.PGSQL.${port}`;
}

function readServers(hosts: string, hasUser: boolean): { host: string; port: number }[] {
  return (hosts === '' ? 'localhost' : hosts).split(',').map((text) => {
    const [, v6, name, port = '5432'] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
    const host = v6 ?? (name === undefined ? undefined : decode(name, 'host'));
    if (host === undefined || Number(port) > 65_535 || Number(port) === 0)
      // Without a host, as in postgres://user:password/database, a password is where the port is.
      throw new DatabaseUrlError(
        `${JSON.stringify(hasUser ? text : text.replace(/:(?!\d*$).*$/, ':…'))} in it is not a host or host:port.`,
      );
    return { host, port: Number(port) };
  });
}
