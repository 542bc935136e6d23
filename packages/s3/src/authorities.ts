import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Authorities to trust in addition to the usual ones. */
export interface Authorities {
  /** The file is read again, because certificates are rotated on disk. */
  readonly path: string;
  /** What it held at the start, in PEM. */
  readonly certificates: readonly string[];
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Throws when the text has no certificate, or one that cannot be read. */
export function parseAuthorities(text: string, path: string): Authorities {
  const certificates = text.match(certificateBlock) ?? [];
  if (certificates.length === 0) throw new Error('The file has no certificate.');
  return { path, certificates: certificates.map((pem) => new X509Certificate(pem).toString()) };
}

const usualCheckMs = 5_000;

/**
 * Returns what a new connection is opened with. The file is read again every `checkMs` at most. One that cannot be read, or is half
 * written, leaves the former authorities in use. With a context, Node does not read some hundred and fifty authorities again for
 * each connection.
 */
export function createTrust(authorities: Authorities, checkMs = usualCheckMs): () => SecureContext {
  let { certificates } = authorities;
  let context = trust(certificates);
  let readAt = performance.now();

  function readAgain(): void {
    try {
      const next = parseAuthorities(readFileSync(authorities.path, 'utf8'), authorities.path);
      if (next.certificates.join() === certificates.join()) return;
      context = trust(next.certificates);
      certificates = next.certificates;
    } catch {
      // A store that only a new authority vouches for is refused with the name of the setting.
    }
  }

  return () => {
    if (performance.now() - readAt >= checkMs) {
      readAt = performance.now();
      readAgain();
    }
    return context;
  };
}

function trust(certificates: readonly string[]): SecureContext {
  return createSecureContext({ ca: [...getCACertificates('default'), ...certificates] });
}
