import { generate } from 'selfsigned';

/** What a certificate is for. */
interface Subject {
  readonly names?: readonly string[];
  readonly addresses?: readonly string[];
}

/** Issues certificates that only clients with its own certificate trust. */
export interface TestAuthority {
  /** In PEM. */
  readonly certificate: string;
  /** The key and the certificate of a server, in PEM. */
  issue(subject: Subject): Promise<{ readonly key: string; readonly certificate: string }>;
}

export async function createAuthority(): Promise<TestAuthority> {
  const own = await generate([{ name: 'commonName', value: 'authority of a test' }], {
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return {
    certificate: own.cert,
    async issue({ names = [], addresses = [] }) {
      const altNames = [
        ...names.map((value) => ({ type: 2 as const, value })),
        ...addresses.map((ip) => ({ type: 7 as const, ip })),
      ];
      const issued = await generate([{ name: 'commonName', value: 'server of a test' }], {
        ca: { key: own.private, cert: own.cert },
        extensions: [
          { name: 'basicConstraints', cA: false },
          { name: 'subjectAltName', altNames },
        ],
      });
      return { key: issued.private, certificate: issued.cert };
    },
  };
}
