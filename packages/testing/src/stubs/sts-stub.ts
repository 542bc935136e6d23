import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A stub of AWS STS, which assumes roles. It checks no signature. */
export interface StsStub {
  readonly endpoint: string;
  /** The parameters of each request and the access key that signed it. */
  readonly requests: { readonly parameters: Record<string, string>; readonly accessKeyId: string | null }[];
  answers: 'credentials' | 'denial' | 'silence';
  /** Access keys that it refuses, as if they were deleted. */
  readonly deletedKeys: Set<string>;
  /** How long the credentials of an answer are valid. */
  lifetimeMs: number;
  close(): void;
}

/** The access key in the nth answer that has credentials. */
export const temporaryKey = (answer: number) => `ASIATEMPORARY${answer}`;
/** The token that belongs to it. */
export const temporaryToken = (answer: number) => `temporary-token-${answer}`;

export async function startStsStub(): Promise<StsStub> {
  const server = createServer(async (incoming, response) => {
    const parameters = Object.fromEntries(new URLSearchParams(Buffer.concat(await incoming.toArray()).toString()));
    const accessKeyId = /Credential=([^/]+)/.exec(incoming.headers.authorization ?? '')?.[1] ?? null;
    stub.requests.push({ parameters, accessKeyId });
    if (stub.answers === 'silence') return;
    const action = parameters.Action ?? '';
    if (stub.answers === 'denial') deny(response, 'AccessDenied', `User: somebody may not perform: sts:${action}`);
    else if (accessKeyId !== null && stub.deletedKeys.has(accessKeyId))
      deny(response, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
    else {
      given += 1;
      give(response, { action, answer: given, lifetimeMs: stub.lifetimeMs });
    }
  });
  let given = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stub: StsStub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    answers: 'credentials',
    deletedKeys: new Set(),
    lifetimeMs: 3_600_000,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return stub;
}

function give(
  response: ServerResponse,
  { action, answer, lifetimeMs }: { action: string; answer: number; lifetimeMs: number },
): void {
  const expiration = new Date(Date.now() + lifetimeMs).toISOString();
  response.writeHead(200, { 'content-type': 'text/xml' }).end(
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>
      <AccessKeyId>${temporaryKey(answer)}</AccessKeyId><SecretAccessKey>temporary-secret</SecretAccessKey>
      <SessionToken>${temporaryToken(answer)}</SessionToken><Expiration>${expiration}</Expiration>
    </Credentials></${action}Result></${action}Response>`,
  );
}

function deny(response: ServerResponse, code: string, message: string): void {
  response.writeHead(403, { 'content-type': 'text/xml' }).end(
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>${code}</Code>
      <Message>${message}</Message></Error></ErrorResponse>`,
  );
}
