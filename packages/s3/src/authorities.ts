import { X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { type KnownFile, rereadFiles } from '@auditbox/process/reread-files.ts';

const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** A file of authorities in PEM. Throws when the text has no certificate, or one that cannot be read. */
export function parseAuthorities(text: string, path: string): KnownFile {
  readCertificates(text);
  return { path, text };
}

/**
 * Returns what a new connection is opened with: the usual authorities and those of the file, which is read again. With a context,
 * Node does not read some hundred and fifty authorities again for each connection. A file that cannot be used is not reported: a
 * store that only a new authority vouches for is refused with the name of the setting.
 */
export function createTrust(authorities: KnownFile, checkMs?: number): () => SecureContext {
  return rereadFiles({ files: { authorities }, made: trust({ authorities }), make: trust }, checkMs);
}

function trust({ authorities }: { readonly authorities: KnownFile }): SecureContext {
  return createSecureContext({ ca: [...getCACertificates('default'), ...readCertificates(authorities.text)] });
}

function readCertificates(text: string): string[] {
  const certificates = text.match(certificateBlock) ?? [];
  if (certificates.length === 0) throw new Error('The file has no certificate.');
  return certificates.map((pem) => new X509Certificate(pem).toString());
}
