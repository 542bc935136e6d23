import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { Tools } from '@auditbox/destination-kit/destination.ts';

/** A file in PEM, with what it held when the configuration was read. */
export interface PemFile {
  readonly path: string;
  readonly pem: string;
}

/** Authorities to trust in addition to the usual ones, and a client certificate with its key. */
export interface TlsOptions {
  readonly ca?: PemFile | undefined;
  readonly cert?: PemFile | undefined;
  readonly key?: PemFile | undefined;
}

/** What Node opens a connection with. It is another object once a file has changed. */
export interface TlsMaterial {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

type Texts = Readonly<Record<keyof TlsOptions, string | undefined>>;

const usualCheckMs = 5_000;

/**
 * Returns what the files hold, for each new connection. They are read again every `checkMs` at most, because certificates are
 * rotated on disk. Files that do not fit together, such as a certificate whose key is not there yet, are tried again; until
 * then the former ones are in use, and the log says so once.
 */
export function createTlsFiles(options: TlsOptions, log: Tools['log'], checkMs = usualCheckMs): () => TlsMaterial {
  let texts: Texts = { ca: options.ca?.pem, cert: options.cert?.pem, key: options.key?.pem };
  let material = toMaterial(texts);
  let readAt = performance.now();
  let failed = '';

  function readAgain(): void {
    try {
      const next = readTexts(options);
      if (next.ca === texts.ca && next.cert === texts.cert && next.key === texts.key) return;
      requireFit(next);
      texts = next;
      material = toMaterial(next);
      failed = '';
      log('info', 'Its TLS files have changed and are in use for new connections.');
    } catch (error) {
      const { message } = error as Error;
      if (message !== failed)
        log('warn', `Its TLS files have changed and cannot be used. The former ones stay in use: ${message}`);
      failed = message;
    }
  }

  return () => {
    if (performance.now() - readAt >= checkMs) {
      readAt = performance.now();
      readAgain();
    }
    return material;
  };
}

function readTexts({ ca, cert, key }: TlsOptions): Texts {
  const read = (file: PemFile | undefined) => (file === undefined ? undefined : readFileSync(file.path, 'utf8'));
  return { ca: read(ca), cert: read(cert), key: read(key) };
}

/** Throws where Node would fail at the next connection. It ignores authorities that it cannot read. */
function requireFit({ ca, cert, key }: Texts): void {
  if (ca !== undefined) new X509Certificate(ca);
  createSecureContext({ ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) });
}

function toMaterial({ ca, cert, key }: Texts): TlsMaterial {
  return {
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}
