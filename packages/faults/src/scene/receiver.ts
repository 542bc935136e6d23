import { createHash } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';

type Answer = ReturnType<HttpReceiver['answer']>;
type Entry = Readonly<Record<string, unknown>>;

/** A request as the receiver got it. */
interface Received {
  /** The key of a webhook's request; null where the destination's protocol has no place for it. */
  readonly key: string | null;
  /** Of its body. The bodies of a long history would need too much memory. */
  readonly sha256: string;
  /** Ids of its events. */
  readonly ids: readonly string[];
  /** When it came, by `performance.now()`. */
  readonly at: number;
  /** Whether the receiver took it. */
  readonly isTaken: boolean;
}

/** The receiver of a destination other than S3. It remembers what it got, and misbehaves when a fault wants it to. */
export interface Receiver {
  /** Its entry in the configuration, without name and url. Null: it has none. */
  readonly entry: Entry | null;
  /** Writes another configuration. Exporters read it when they start. */
  configure(entry: Entry | null): Promise<void>;
  /** The settings of exporters that serve it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly received: readonly Received[];
  /** Decides how a request is answered. Undefined takes it. */
  misbehave: ((request: { readonly body: string; readonly headers: IncomingHttpHeaders }) => Answer | undefined) | null;
  /** Ids of all events in requests that were taken. */
  takenIds(): Set<string>;
  close(): Promise<void>;
}

/** The name of the destination. */
export const receiverName = 'receiver';

/** What takes a request in every protocol that the faults use. A collector says so in its body. */
const taken = { status: 200, body: '{"code":0,"text":"Success"}' } as const;

/** Starts a receiver for a destination with this entry, and writes the configuration. */
export async function openReceiver(entry: Entry): Promise<Receiver> {
  const server = await startHttpReceiver(null, { remember: false });
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-receiver-'));
  const file = join(folder, 'destinations.json');
  const write = async (entries: readonly Entry[]) => {
    // At once, because an exporter may start at any moment.
    await writeFile(`${file}.new`, JSON.stringify({ destinations: entries }));
    await rename(`${file}.new`, file);
  };
  const received: Received[] = [];
  let configured: Entry | null = null;
  const receiver: Receiver = {
    get entry() {
      return configured;
    },
    async configure(next) {
      configured = next;
      await write(next === null ? [] : [{ name: receiverName, url: server.url, since: 'all', ...next }]);
    },
    settings: { DESTINATIONS_FILE: file },
    received,
    misbehave: null,
    takenIds: () => new Set(received.filter(({ isTaken }) => isTaken).flatMap(({ ids }) => ids)),
    async close() {
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
  await receiver.configure(entry);
  server.answer = async ({ method, headers, body }) => {
    if (method !== 'POST' || body === '') return taken;
    const instead = await receiver.misbehave?.({ body, headers });
    const key = headers['webhook-id'];
    received.push({
      key: typeof key === 'string' ? key : null,
      ...{ sha256: createHash('sha256').update(body).digest('base64'), ids: idsIn(body) },
      ...{ at: performance.now(), isTaken: instead === undefined },
    });
    return instead ?? taken;
  };
  return receiver;
}

/** Copies, because a part of a string keeps the whole string in memory. */
function idsIn(body: string): string[] {
  return [...body.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id = '']) =>
    Buffer.from(id, 'latin1').toString('latin1'),
  );
}
