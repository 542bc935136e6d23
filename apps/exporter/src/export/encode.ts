import { createHash, hash as hashOnce } from 'node:crypto';
import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { LoggedHashes } from '@auditbox/core/export/batch.ts';
import type { Compression } from '@auditbox/core/export/compression.ts';
import { giveBack } from '@auditbox/db/database/collect-chunks.ts';
import { createLineTree } from '@auditbox/evidence/line-tree.ts';

/** Lines as an object's body. `sha256` is of the uncompressed NDJSON. */
export interface EncodedBody extends LoggedHashes {
  readonly ndjsonBytes: number;
  readonly sha256: string;
  readonly body: Buffer;
  readonly compression: Compression;
}

/** Takes lines as they come. Memory holds the whole compressed body, because only a buffer can be signed and sent again. */
export interface Encoder {
  /** Hashes the chunk and hands it to the compressor, which works in another thread. The chunk belongs to the encoder. */
  add(chunk: Buffer): void;
  /** Resolves when the compressor has caught up enough for another COPY. */
  isReady(): Promise<void>;
  /** Given and not yet compressed. */
  readonly waitingBytes: number;
  end(): Promise<EncodedBody>;
  /** Frees the compressor of an attempt that is given up. */
  drop(): void;
}

/** What the compressor's thread returns at once. */
const chunkSize = 128 * 1024;

/**
 * gzip: level 3 needs two thirds of level 6's time and makes objects 4 to 9 % larger. Level 1 saves no time.
 * zstd: level 1 needs a seventh of gzip 3's time and makes objects 9 % smaller. Level 3 needs four times as long and makes
 * them no smaller. Measured on events of a kilobyte.
 */
const compressors: { readonly [C in Compression]: () => Transform } = {
  gzip: () => createGzip({ level: 3, chunkSize }),
  zstd: () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize }),
};

/** Below this many waiting bytes the next COPY may begin. It is above 0, so that the compressor works while that COPY begins. */
const fewBytes = 1024 * 1024;

/** Chunks wait in the compressor when it is slower than Postgres: at most `fewBytes` and what one COPY gives. */
export function createEncoder(compression: Compression, { isLogged }: { isLogged: boolean }): Encoder {
  const hash = createHash('sha256');
  const lines = isLogged ? createLineTree() : null;
  const compressor = compressors[compression]();
  const compressed: Buffer[] = [];
  compressor.on('data', (part: Buffer) => compressed.push(part));
  let ndjsonBytes = 0;
  let waitingBytes = 0;
  let caughtUp = Promise.withResolvers<void>();
  return {
    add(chunk) {
      ndjsonBytes += chunk.length;
      waitingBytes += chunk.length;
      hash.update(chunk);
      // Before the compressor's thread reads the chunk: the tree writes into it for a moment.
      lines?.add(chunk);
      // Also called when the compressor is dropped.
      compressor.write(chunk, (error) => {
        waitingBytes -= chunk.length;
        if (!error) giveBack(chunk);
        if (waitingBytes < fewBytes) caughtUp.resolve();
      });
    },
    get waitingBytes() {
      return waitingBytes;
    },
    isReady() {
      caughtUp = Promise.withResolvers();
      if (waitingBytes < fewBytes) caughtUp.resolve();
      return caughtUp.promise;
    },
    async end() {
      compressor.end();
      await once(compressor, 'end');
      const body = Buffer.concat(compressed);
      return {
        ndjsonBytes,
        sha256: hash.digest('hex'),
        linesRoot: lines?.root() ?? null,
        objectSha256: isLogged ? hashOnce('sha256', body, 'hex') : null,
        body,
        compression,
      };
    },
    drop() {
      compressor.destroy();
    },
  };
}
