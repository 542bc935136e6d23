import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { DatabaseTls } from '@auditbox/core/database-tls.ts';
import { DatabaseUrlError } from '@auditbox/core/database-url-parameters.ts';
import { endSentence } from '@auditbox/core/text/end-sentence.ts';

type EncryptedTls = Exclude<DatabaseTls, { mode: 'disable' }>;

interface Texts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * Adds the files of certificates to the driver's options. The driver reads the options for each new connection, and so the files are
 * read again: certificates are rotated on disk. While they do not fit together, the former ones are in use. Throws
 * DatabaseUrlError if they do not at the start.
 */
export function addTlsFiles<Options extends object>(options: Options, tls: EncryptedTls): Options {
  if (!namesFiles(tls)) return options;
  let texts = readTexts(tls);
  let context = openContext(texts);
  const readAgain = (): SecureContext => {
    try {
      const next = readTexts(tls);
      if (next.ca === texts.ca && next.cert === texts.cert && next.key === texts.key) return context;
      context = openContext(next);
      texts = next;
    } catch (error) {
      if (!(error instanceof DatabaseUrlError)) throw error;
    }
    return context;
  };
  // Not a value: a copy of it would be of now.
  return Object.defineProperty(options, 'secureContext', { get: readAgain, enumerable: true });
}

/** Whether DATABASE_URL names a file of a certificate. */
export function namesFiles({ rootCertificate, client }: EncryptedTls): boolean {
  return rootCertificate !== null || client !== null;
}

function readTexts({ rootCertificate, client }: EncryptedTls): Texts {
  return {
    ...(rootCertificate !== null && { ca: readCertificate('sslrootcert', rootCertificate) }),
    ...(client !== null && {
      cert: readCertificate('sslcert', client.certificate),
      key: readCertificate('sslkey', client.key),
    }),
  };
}

function openContext(texts: Texts): SecureContext {
  try {
    return createSecureContext({ ...texts });
  } catch (error) {
    throw new DatabaseUrlError(
      `the files of its parameters \`sslrootcert\`, \`sslcert\` and \`sslkey\` cannot be used: ${endSentence((error as Error).message)}`,
    );
  }
}

function readCertificate(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new DatabaseUrlError(
      `the file of its parameter \`${parameter}\` cannot be read: ${endSentence((error as Error).message)}`,
    );
  }
}
