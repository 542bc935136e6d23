import { X509Certificate } from 'node:crypto';

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates in a text, each in PEM. Throws when there is none, or a broken one. */
export function parseCertificates(text: string): readonly string[] {
  const certificates = text.match(block) ?? [];
  if (certificates.length === 0) throw new Error('There is no certificate in it.');
  return certificates.map((pem) => new X509Certificate(pem).toString());
}
