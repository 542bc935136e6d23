import { fromBase64, toHex } from './bytes.ts';

/* Reads the texts of a proof as packages/evidence reads them, which needs Node. */

export interface ProofParts {
  readonly entry: string;
  /** The event's line in its object, from 0. */
  readonly line: number;
  readonly linePath: readonly Uint8Array[];
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** What the batch's entry says of its object. */
export interface BatchFacts {
  readonly key: string;
  readonly rows: number;
  /** Its place in the log, from 0. */
  readonly index: number;
  readonly sha256: string;
  readonly lines: string;
  readonly origin: string;
  readonly objectBytes: number;
}

export function parseProof(text: string): ProofParts | null {
  const [head, checkpoint] = splitOnce(text, '\n\n');
  const [first, extraLine = '', indexLine = '', ...hashes] = head.split('\n');
  const extra = fromUtf8(fromBase64(/^extra (\S+)$/.exec(extraLine)?.[1] ?? ''));
  const [extraHead, entry] = splitOnce(extra, '\n\n');
  const [extraFirst, lineLine = '', ...lineHashes] = extraHead.split('\n');
  const index = readCount(/^index (\d+)$/.exec(indexLine)?.[1]);
  const line = readCount(/^line (\d+)$/.exec(lineLine)?.[1]);
  if (first !== 'c2sp.org/tlog-proof@v1' || extraFirst !== 'auditbox-line v1') return null;
  if (index === null || line === null) return null;
  const [linePath, path] = [lineHashes.map(fromBase64), hashes.map(fromBase64)];
  if ([...linePath, ...path].some((hash) => hash.length !== 32)) return null;
  return { entry, line, linePath, index, path, checkpoint };
}

const [hash, count, time] = ['[0-9a-f]{64}', '\\d+', '\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z'];

/** The one form of an entry, as the auditor's command has it. */
const entryForm = new RegExp(
  `^auditbox-batch v1\\norigin (\\S+)\\nindex (${count})\\nprevious ${hash}\\nkey (\\S+)\\n(?:tenant (\\S+)\\n)?rows (${count})\\nbytes (${count})
sha256 (${hash})\\nlines (${hash})\\nobject-bytes (${count})\\nobject-sha256 ${hash}\\nfirst (${time})\\nlast (${time})
recorded-first (${time})\\nrecorded-last (${time})\\nlogged (${time})\\n$`,
);

/** Null for a text that is not an entry. */
export function readEntry(entry: string): BatchFacts | null {
  const [, origin = '', index, key = '', tenant, rows, bytes, sha256 = '', lines = '', objectBytes, ...times] =
    entryForm.exec(entry) ?? [];
  const [indexCount, rowCount, objectCount] = [readCount(index), readCount(rows), readCount(objectBytes)];
  if (indexCount === null || rowCount === null || objectCount === null || readCount(bytes) === null) return null;
  if (!isEncoded(tenant) || times.some((at) => Number.isNaN(Date.parse(at)))) return null;
  return { origin, index: indexCount, key, rows: rowCount, sha256, lines, objectBytes: objectCount };
}

function isEncoded(tenant = ''): boolean {
  try {
    return encodeURIComponent(decodeURIComponent(tenant)) === tenant;
  } catch {
    return false;
  }
}

/** A number as logs write it: without zeros in front, and exact. */
function readCount(digits = ''): number | null {
  return /^(0|[1-9]\d{0,15})$/.test(digits) && Number.isSafeInteger(Number(digits)) ? Number(digits) : null;
}

export interface Head {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** What the signatures are over. */
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly bytes: Uint8Array }[];
}

const mostSignatures = 100;

/** Null for a text that is not a signed checkpoint, as the auditor's command reads it. */
export function readHead(note: string): Head | null {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const [, origin = '', size, root = ''] = /^([^\n]+)\n(\d+)\n(\S{44})\n$/.exec(text) ?? [];
  const [count, rootBytes, lines] = [readCount(size), fromBase64(root), note.slice(split + 2, -1).split('\n')];
  if (count === null || rootBytes.length !== 32 || lines.length > mostSignatures) return null;
  if (!note.endsWith('\n') || !note.isWellFormed() || /[^\P{Cc}\n]/u.test(note)) return null;
  const signatures = lines.map((line) => {
    const [, name = '', material = ''] = /^— ([^\s+]+) (\S+)$/.exec(line) ?? [];
    const bytes = fromBase64(material);
    return { name, id: toHex(bytes.slice(0, 4)), bytes: bytes.slice(4) };
  });
  if (signatures.some(({ bytes }) => bytes.length === 0)) return null;
  return { origin, size: count, root: rootBytes, text, signatures };
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)];
}

/** Empty for bytes that are not UTF-8. */
function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return '';
  }
}
