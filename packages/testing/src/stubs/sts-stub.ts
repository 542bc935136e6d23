import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A stub of AWS STS, which assumes roles. It checks no signature. */
export interface StsStub {
  readonly endpoint: string;
  /** The parameters of each request and the access key that signed it. */
  readonly requests: { readonly parameters: Record<string, string>; readonly accessKeyId: string | null }[];
  answers: 'credentials' | 'denial' | 'silence';
  close(): void;
}

/** The access key in every answer. */
export const temporaryKey = 'ASIATEMPORARY';

export async function startStsStub(): Promise<StsStub> {
  const server = createServer(async (incoming, response) => {
    const parameters = Object.fromEntries(new URLSearchParams(Buffer.concat(await incoming.toArray()).toString()));
    const accessKeyId = /Credential=([^/]+)/.exec(incoming.headers.authorization ?? '')?.[1] ?? null;
    stub.requests.push({ parameters, accessKeyId });
    if (stub.answers === 'silence') return;
    const action = parameters.Action ?? '';
    if (stub.answers === 'denial') deny(response, action);
    else give(response, action);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const stub: StsStub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    answers: 'credentials',
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
  return stub;
}

function give(response: ServerResponse, action: string): void {
  const expiration = new Date(Date.now() + 3_600_000).toISOString();
  response.writeHead(200, { 'content-type': 'text/xml' }).end(
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>
      <AccessKeyId>${temporaryKey}</AccessKeyId><SecretAccessKey>temporary-secret</SecretAccessKey>
      <SessionToken>temporary-token</SessionToken><Expiration>${expiration}</Expiration>
    </Credentials></${action}Result></${action}Response>`,
  );
}

function deny(response: ServerResponse, action: string): void {
  response.writeHead(403, { 'content-type': 'text/xml' }).end(
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>AccessDenied</Code>
      <Message>User: somebody is not authorized to perform: sts:${action} on resource: a role</Message>
    </Error></ErrorResponse>`,
  );
}
