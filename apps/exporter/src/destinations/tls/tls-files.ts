import { X509Certificate } from 'node:crypto';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { Tools } from '@auditbox/destination-kit/destination.ts';
import { type KnownFile, rereadFiles } from '@auditbox/process/reread-files.ts';

/** Files in PEM: authorities to trust in addition to the usual ones, and a client certificate with its key. */
export interface TlsOptions {
  readonly ca?: KnownFile | undefined;
  readonly cert?: KnownFile | undefined;
  readonly key?: KnownFile | undefined;
}

/** What Node opens a connection with. It is another object once a file has changed. */
export interface TlsMaterial {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

/** Returns what the files hold, for each new connection. The log says when they have changed, and once when they cannot be used. */
export function createTlsFiles(options: TlsOptions, log: Tools['log'], checkMs?: number): () => TlsMaterial {
  const { ca, cert, key } = options;
  return rereadFiles(
    {
      files: { ca, cert, key },
      made: toMaterial(options),
      make(files) {
        requireFit(files);
        return toMaterial(files);
      },
      onChange: () => log('info', 'Its TLS files have changed and are in use for new connections.'),
      onMistake: (error) =>
        log(
          'warn',
          `Its TLS files have changed and cannot be used. The former ones stay in use: ${(error as Error).message}`,
        ),
    },
    checkMs,
  );
}

/** Throws where Node would fail at the next connection. It ignores authorities that it cannot read. */
function requireFit(files: TlsOptions): void {
  if (files.ca !== undefined) new X509Certificate(files.ca.text);
  const { cert, key } = toMaterial(files);
  createSecureContext({ ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) });
}

function toMaterial({ ca, cert, key }: TlsOptions): TlsMaterial {
  return {
    ...(ca !== undefined && { ca: [...rootCertificates, ca.text] }),
    ...(cert !== undefined && { cert: cert.text }),
    ...(key !== undefined && { key: key.text }),
  };
}
