import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { isConsistent } from '@auditbox/evidence/proofs.ts';
import {
  formatVerifierKey,
  parseNote,
  type VerifierKey,
  verifierKeyOf,
  verifyNote,
} from '@auditbox/evidence/signed-note.ts';

/** A witness of one log, by C2SP tlog-witness 1.0.0 and tlog-cosignature 1.0.1. */
export interface TestWitness {
  readonly url: string;
  readonly key: string;
  /** The newest size that it cosigned. */
  readonly size: number;
  /** The sizes that callers said it has, in order. */
  readonly olds: readonly number[];
  /** Answers each request with this status and text, or never, while it is set. */
  broken: { readonly status: number; readonly text: string } | 'silent' | null;
  /** Of the newest request. */
  readonly authorization: string | undefined;
  /** Lets it take `size` for the newest that it cosigned, as if another log of this name had been there. */
  pretend(size: number): void;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly type?: string;
}

export async function startTestWitness(name: string, log: VerifierKey): Promise<TestWitness> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = verifierKeyOf(name, publicKey, 4);
  const olds: number[] = [];
  let seen: { size: number; root: Buffer } = { size: 0, root: Buffer.alloc(32) };
  let broken: TestWitness['broken'] = null;
  let authorization: string | undefined;

  function answer(body: string): Answer {
    const split = body.indexOf('\n\n');
    const [first = '', ...proof] = body.slice(0, split).split('\n');
    const old = Number(/^old (0|[1-9]\d*)$/.exec(first)?.[1]);
    const note = parseNote(body.slice(split + 2));
    const checkpoint = note && parseCheckpoint(note.text);
    if (!note || !checkpoint || !Number.isSafeInteger(old) || proof.length > 63)
      return { status: 400, text: 'malformed' };
    olds.push(old);
    if (checkpoint.origin !== log.name) return { status: 404, text: 'unknown log' };
    if (verifyNote(note, [log]).kind !== 'signed') return { status: 403, text: 'no trusted signature' };
    if (old > checkpoint.size) return { status: 400, text: 'old size is larger' };
    if (old !== seen.size) return { status: 409, text: `${seen.size}\n`, type: 'text/x.tlog.size' };
    const path = proof.map((line) => Buffer.from(line, 'base64'));
    // The empty tree is not proven; every tree begins with it.
    const holds = old === 0 ? path.length === 0 : isConsistent(seen, { ...checkpoint, path });
    if (!holds) return { status: 422, text: 'not consistent' };
    seen = { size: checkpoint.size, root: checkpoint.root };
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(1_782_000_000n);
    const message = Buffer.from(`cosignature/v1\ntime 1782000000\n${note.text}`);
    const signature = Buffer.concat([Buffer.from(key.id, 'hex'), time, sign(null, message, privateKey)]);
    return { status: 200, text: `— ${name} ${signature.toString('base64')}\n` };
  }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    authorization = request.headers.authorization;
    if (broken === 'silent') return;
    const isKnown = request.url === '/add-checkpoint';
    const asked = isKnown ? answer(Buffer.concat(chunks).toString()) : { status: 404, text: 'no such path' };
    const { status, text, type = 'text/plain' }: Answer = broken ?? asked;
    response.writeHead(status, { 'content-type': type }).end(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: formatVerifierKey(key),
    get size() {
      return seen.size;
    },
    olds,
    get authorization() {
      return authorization;
    },
    get broken() {
      return broken;
    },
    set broken(how) {
      broken = how;
    },
    pretend(size) {
      seen = { size, root: Buffer.alloc(32, 7) };
    },
    async close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
