import { nameCommand } from '../place/name-command.ts';
import { fromBase64, fromHex, toHex } from './bytes.ts';
import { isIncluded, leafHash } from './inclusion.ts';
import { type Head, type ProofParts, readEntry, readHead } from './proof-texts.ts';

/*
 * Checks a C2SP tlog-proof in the browser: the event's line is in its batch, the batch is in the log, and the log's head is
 * signed.
 */

export interface ProofStep {
  readonly name: string;
  readonly state: 'holds' | 'broken' | 'unchecked';
  readonly sentence: string;
}

/** Checks every step. `verifierKey` is what the log's operator gave out; null: the signature is not checked. */
export async function checkProof(line: string, proof: ProofParts, verifierKey: string | null): Promise<ProofStep[]> {
  const head = readHead(proof.checkpoint);
  const batch = readEntry(proof.entry);
  if (head === null) return [{ name: 'Checkpoint', state: 'broken', sentence: 'It is not a signed checkpoint.' }];
  if (batch === null) return [{ name: 'Entry', state: 'broken', sentence: 'It is not the entry of a batch.' }];
  const bytes = new TextEncoder();
  const inBatch = await isIncluded(await leafHash(bytes.encode(line)), {
    index: proof.line,
    size: batch.rows,
    path: proof.linePath,
    root: fromHex(batch.lines),
  });
  const inLog = await isIncluded(await leafHash(bytes.encode(proof.entry)), {
    index: proof.index,
    size: head.size,
    path: proof.path,
    root: head.root,
  });
  return [
    step('Line', inBatch && batch.origin === head.origin, [
      `This event is line ${proof.line + 1} of ${batch.rows} of its object.`,
      `This event is not line ${proof.line + 1} of its object. The database and the archive differ.`,
    ]),
    step('Log', inLog && batch.index === proof.index, [
      `The object is entry ${proof.index} of ${head.size} of the log.`,
      `The object is not entry ${proof.index} of the log.`,
    ]),
    await checkSignature(head, verifierKey),
  ];
}

async function checkSignature(head: Head, verifierKey: string | null): Promise<ProofStep> {
  const name = 'Signature';
  if (verifierKey === null)
    return {
      name,
      state: 'unchecked',
      sentence: 'Paste the verifier key that the operator gave you to check who signed the log.',
    };
  const [, keyName = '', id = '', material = ''] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(verifierKey.trim()) ?? [];
  const key = fromBase64(material);
  if (key.length !== 33 || key[0] !== 1 || id !== (await keyId(keyName, key)))
    return { name, state: 'broken', sentence: 'This is not a verifier key of Ed25519.' };
  const signatures = head.signatures.filter((one) => one.name === keyName && one.id === id);
  if (keyName !== head.origin || signatures.length === 0)
    return { name, state: 'broken', sentence: `The checkpoint is not signed by ${keyName}+${id}.` };
  try {
    const imported = await crypto.subtle.importKey('raw', key.slice(1), 'Ed25519', false, ['verify']);
    const text = new TextEncoder().encode(head.text);
    const verify = ({ bytes }: { bytes: Uint8Array }) =>
      crypto.subtle.verify('Ed25519', imported, bytes as BufferSource, text);
    const holds = (await Promise.all(signatures.map(verify))).every(Boolean);
    return step(name, holds, [`The log's head is signed by ${keyName}.`, `The signature of ${keyName} is wrong.`]);
  } catch {
    return {
      name,
      state: 'unchecked',
      sentence: `This browser cannot verify Ed25519. Use ${nameCommand('npm run verify-archive')}.`,
    };
  }
}

/** What signed notes call a key by: four bytes of a hash of its name and itself. */
async function keyId(name: string, key: Uint8Array): Promise<string> {
  const named = new TextEncoder().encode(`${name}\n`);
  const bytes = new Uint8Array(named.length + key.length);
  bytes.set(named);
  bytes.set(key, named.length);
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).slice(0, 4));
}

function step(name: string, holds: boolean, [yes, no]: readonly [string, string]): ProofStep {
  return holds ? { name, state: 'holds', sentence: yes } : { name, state: 'broken', sentence: no };
}
