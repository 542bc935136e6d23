import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A time-stamping authority (RFC 3161): `openssl ts` behind HTTP. */
export interface TestTimeAuthority {
  readonly url: string;
  /** Whether openssl accepts an answer as a stamp of `data`. Throws with openssl's words if not. */
  verify(answer: Buffer, data: string): void;
  /** Stamps this instead of what is asked, while it is set. */
  stampInstead: string | null;
  close(): void;
}

const config = (folder: string) => `
[tsa]
default_tsa = here
[here]
serial = ${folder}/serial
signer_cert = ${folder}/tsa.pem
signer_key = ${folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
tsa_name = no
[v3]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
`;

export async function startTestTimeAuthority(): Promise<TestTimeAuthority> {
  const folder = mkdtempSync(join(tmpdir(), 'tsa-'));
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  writeFileSync(file('conf'), config(folder));
  writeFileSync(file('serial'), '01\n');
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca');
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'tsa.key', '-out', 'tsa.csr', '-subj', '/CN=tsa');
  openssl(
    ...['x509', '-req', '-in', 'tsa.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'tsa.pem'],
    ...['-extfile', 'conf', '-extensions', 'v3'],
  );
  let stampInstead: string | null = null;

  function stamp(query: Buffer): Buffer {
    writeFileSync(file('query'), query);
    if (stampInstead !== null) {
      writeFileSync(file('data'), stampInstead);
      openssl('ts', '-query', '-data', 'data', '-sha256', '-cert', '-out', 'query');
    }
    openssl('ts', '-reply', '-config', 'conf', '-section', 'here', '-queryfile', 'query', '-out', 'reply');
    return readFileSync(file('reply'));
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(200, { 'content-type': 'application/timestamp-reply' }).end(stamp(Buffer.concat(chunks)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    verify(answer, data) {
      writeFileSync(file('answer'), answer);
      writeFileSync(file('data'), data);
      openssl('ts', '-verify', '-in', 'answer', '-data', 'data', '-CAfile', 'ca.pem');
    },
    get stampInstead() {
      return stampInstead;
    },
    set stampInstead(data) {
      stampInstead = data;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
