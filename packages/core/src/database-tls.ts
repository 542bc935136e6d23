import { choose, DatabaseUrlError, type Parameters } from './database-url-parameters.ts';

/** How a connection is encrypted, and what of the server's certificate is verified. */
export type DatabaseTls =
  | { readonly mode: 'disable' }
  | {
      /**
       * prefer: encrypted if the server can, and verify nothing. require: encrypted, and verify nothing. verify-ca: verify
       * who issued the certificate. verify-full: also that it is for this name or IP address.
       */
      readonly mode: 'prefer' | 'require' | 'verify-ca' | 'verify-full';
      /** A file in PEM; null: the authorities that Node trusts. */
      readonly rootCertificate: string | null;
      readonly client: { readonly certificate: string; readonly key: string } | null;
      readonly negotiation: 'postgres' | 'direct';
    };

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

export function readTls(parameters: Parameters, bindsChannel: boolean): DatabaseTls {
  const asked = choose(parameters, 'sslmode', modes) ?? 'prefer';
  const root = parameters.take('sslrootcert');
  const [certificate, key] = [parameters.take('sslcert'), parameters.take('sslkey')];
  if ((certificate === undefined) !== (key === undefined))
    throw new DatabaseUrlError('its parameters `sslcert` and `sslkey` belong together.');
  const negotiation = choose(parameters, 'sslnegotiation', ['postgres', 'direct']) ?? 'postgres';
  if (asked === 'disable') {
    if (bindsChannel)
      throw new DatabaseUrlError(
        'its parameter `channel_binding` is require, which needs TLS, and `sslmode` is disable.',
      );
    return { mode: 'disable' };
  }
  return {
    mode: strengthen(asked === 'allow' ? 'prefer' : asked, { bindsChannel, root }),
    rootCertificate: root === undefined || root === 'system' ? null : root,
    client: certificate === undefined || key === undefined ? null : { certificate, key },
    negotiation,
  };
}

interface Wishes {
  readonly bindsChannel: boolean;
  readonly root: string | undefined;
}

/**
 * The driver cannot bind a channel. `channel_binding=require` is against a server that stands in between, so the
 * certificate is verified in full instead. As in libpq, `require` with a root certificate verifies who issued it, and
 * `sslrootcert=system` verifies everything.
 */
function strengthen(mode: 'prefer' | 'require' | 'verify-ca' | 'verify-full', { bindsChannel, root }: Wishes) {
  if (bindsChannel && mode !== 'verify-ca') return 'verify-full';
  if (root === 'system') return 'verify-full';
  return mode === 'require' && root !== undefined ? 'verify-ca' : mode;
}

/** A Unix socket has no TLS, and libpq ignores these too. */
export function ignoreTls(parameters: Parameters): DatabaseTls {
  for (const name of ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation']) parameters.take(name);
  return { mode: 'disable' };
}
