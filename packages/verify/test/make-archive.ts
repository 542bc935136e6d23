import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type BatchEntry, formatBatchEntry, noPrevious } from '../../evidence/src/batch-entry.ts';
import { formatCheckpoint } from '../../evidence/src/checkpoint.ts';
import { createLineTree } from '../../evidence/src/line-tree.ts';
import { checkpointPath, logFolder } from '../../evidence/src/log-files.ts';
import { leafHash } from '../../evidence/src/merkle.ts';
import { createKeySigner, formatVerifierKey, type NoteSigner, signNote } from '../../evidence/src/signed-note.ts';
import { encodeBundle, listNewTiles, listTileNodes, tilePath, tileWidth } from '../../evidence/src/tiles.ts';
import { rootOf } from '../../evidence/src/tree-nodes.ts';
import { findIn } from '../../evidence/test/find-in.ts';

/** An archive in a folder, as an exporter makes it in a bucket. It can also do what an exporter never does. */
export interface TestArchive {
  readonly folder: string;
  readonly key: string;
  readonly entries: readonly BatchEntry[];
  /** Exports a batch. `log: false` leaves it out of the log; `lie` changes what the log says about it. */
  add(lines: readonly string[], options?: AddOptions): string;
  /** Signs the log as it is. */
  publish(by?: NoteSigner): Promise<void>;
  write(path: string, body: Buffer | string): void;
}

interface AddOptions {
  readonly hour?: number;
  readonly log?: boolean;
  readonly lie?: Partial<BatchEntry>;
  readonly zstd?: boolean;
  /** False: the object is only logged. */
  readonly stored?: boolean;
  /** Changes the stored bytes before they are logged. */
  readonly store?: (object: Buffer) => Buffer;
}

const loggedAt = '2026-07-04T00:00:00.000000Z';

export function makeArchive(origin = 'audit.example.com/prod/s3', signer = makeSigner(origin)): TestArchive {
  const folder = mkdtempSync(join(tmpdir(), 'archive-'));
  const entries: BatchEntry[] = [];
  const leaves: Buffer[] = [];
  let published = 0;

  function write(path: string, body: Buffer | string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), body);
    const before = new Date('2026-07-03T20:00:00Z');
    utimesSync(join(folder, path), before, before);
  }

  return {
    ...{ folder, key: formatVerifierKey(signer.key), entries, write },

    add(
      lines,
      { hour = 11, log = true, stored = true, lie = {}, zstd = false, store = (object: Buffer) => object } = {},
    ) {
      const ndjson = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const sha256 = sha(ndjson);
      const object = stored ? store(zstd ? zstdCompressSync(ndjson) : gzipSync(ndjson, { level: 3 })) : ndjson;
      const times = lines.map((line) => widen(/"updated_at":"([^"]+)"/.exec(line)?.[1] ?? ''));
      const name = `${times[0]?.slice(11, 19).replaceAll(':', '')}_${String(entries.length + 1).padStart(12, '0')}_${sha256.slice(0, 12)}`;
      const key = `dt=2026-07-03/hour=${String(hour).padStart(2, '0')}/${name}.ndjson.${zstd ? 'zst' : 'gz'}`;
      if (stored) write(key, object);
      if (!log) return key;
      const tree = createLineTree();
      tree.add(ndjson);
      const entry: BatchEntry = {
        ...{ origin, index: entries.length, previous: leaves.at(-1)?.toString('hex') ?? noPrevious, key, tenant: null },
        ...{ rows: lines.length, bytes: ndjson.length, sha256, lines: tree.root() },
        ...{ objectBytes: object.length, objectSha256: sha(object), first: times[0] ?? '', last: times.at(-1) ?? '' },
        ...{ recordedFirst: loggedAt, recordedLast: loggedAt, logged: loggedAt, ...lie },
      };
      entries.push(entry);
      leaves.push(leafHash(Buffer.from(formatBatchEntry(entry))));
      return key;
    },

    async publish(by = signer) {
      const size = entries.length;
      const find = findIn(leaves);
      for (const tile of listNewTiles(published, size)) {
        const { level, index, width } = tile;
        const from = index * tileWidth;
        const body =
          level === 'entries'
            ? encodeBundle(entries.slice(from, from + width).map((entry) => Buffer.from(formatBatchEntry(entry))))
            : Buffer.concat(listTileNodes({ ...tile, level }).map(find));
        write(`${logFolder}${tilePath(tile)}`, body);
      }
      write(checkpointPath(size), await signNote(formatCheckpoint({ origin, size, root: rootOf(size, find) }), [by]));
      published = size;
    },
  };
}

export function makeSigner(origin: string): NoteSigner {
  return createKeySigner(
    origin,
    generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  );
}

/** Lines of events in one hour, in order. */
export function someLines(count: number, hour = 11, id: () => string = randomUUID): string[] {
  return Array.from({ length: count }, (_, n) => {
    const at = `2026-07-03T${String(hour).padStart(2, '0')}:00:${String(Math.floor(n / 1_000) % 60).padStart(2, '0')}.${String(n % 1_000).padStart(3, '0')}Z`;
    return JSON.stringify({
      id: id(),
      updated_at: at,
      changed_by: 'ana',
      action: 'updated',
      table_name: 't',
      object_id: '1',
    });
  });
}

function widen(time: string): string {
  const [seconds = '', fraction = ''] = time.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(6, '0')}Z`;
}

function sha(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
