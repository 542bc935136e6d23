import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';

type Answer = ReturnType<HttpReceiver['answer']>;

/** A request as the receiver got it. */
interface Received {
  /** The key of a webhook's request; null where the destination's protocol has no place for it. */
  readonly key: string | null;
  readonly body: string;
  /** When it came, by `performance.now()`. */
  readonly at: number;
  /** Whether the receiver took it. */
  readonly isTaken: boolean;
}

/** The receiver of a destination other than S3. It remembers what it got, and misbehaves when a fault wants it to. */
export interface Receiver {
  /** The settings of exporters that serve it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly received: readonly Received[];
  /** Decides how a request is answered. Undefined takes it. */
  misbehave: ((request: { readonly body: string }) => Answer | undefined) | null;
  /** Ids of all events in requests that were taken. */
  takenIds(): Set<string>;
  close(): Promise<void>;
}

/** The name of the destination. */
export const receiverName = 'receiver';

/** What takes a request in every protocol that the faults use. A collector says so in its body. */
const taken = { status: 200, body: '{"code":0,"text":"Success"}' } as const;

/** Starts a receiver for a destination with this entry, and writes the configuration. */
export async function openReceiver(entry: Readonly<Record<string, unknown>>): Promise<Receiver> {
  const server = await startHttpReceiver();
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-receiver-'));
  const file = join(folder, 'destinations.json');
  await writeFile(
    file,
    JSON.stringify({ destinations: [{ name: receiverName, url: server.url, since: 'all', ...entry }] }),
  );
  const received: Received[] = [];
  const receiver: Receiver = {
    settings: { DESTINATIONS_FILE: file },
    received,
    misbehave: null,
    takenIds: () => new Set(received.filter(({ isTaken }) => isTaken).flatMap(({ body }) => idsIn(body))),
    async close() {
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
  server.answer = async ({ method, headers, body }) => {
    if (method !== 'POST' || body === '') return taken;
    const instead = await receiver.misbehave?.({ body });
    const key = headers['webhook-id'];
    received.push({
      key: typeof key === 'string' ? key : null,
      ...{ body, at: performance.now(), isTaken: instead === undefined },
    });
    return instead ?? taken;
  };
  return receiver;
}

function idsIn(body: string): string[] {
  return [...body.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id = '']) => id);
}
