import type { Server } from 'node:http';
import { readKnownFile, rereadFiles, rereadMs } from '@auditbox/process/reread-files.ts';
import type { TlsFiles } from './tls-files.ts';

/**
 * Reads the files of TLS again when they have changed, for new connections. `onError` gets the same error once. Returns a function
 * that ends it.
 */
export function reloadCertificates(
  server: Server,
  { cert, key, clientCa }: TlsFiles,
  { onReload, onError }: { onReload(): void; onError(error: unknown): void },
): () => void {
  if (!('setSecureContext' in server)) return () => {};
  const secure = server as Server & { setSecureContext(options: object): void };
  const ca = clientCa === undefined ? undefined : readKnownFile(clientCa);
  const check = rereadFiles(
    {
      files: { cert: readKnownFile(cert), key: readKnownFile(key), ca },
      made: undefined,
      make(files) {
        const authorities = files.ca === undefined ? {} : { ca: files.ca.text };
        secure.setSecureContext({ cert: files.cert.text, key: files.key.text, ...authorities, minVersion: 'TLSv1.2' });
      },
      onChange: onReload,
      onMistake: onError,
    },
    0,
  );
  const timer = setInterval(check, rereadMs);
  timer.unref();
  return () => clearInterval(timer);
}
