import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Compression } from '@auditbox/core/export/compression.ts';

/** Lines as an object's body. `sha256` is of the uncompressed NDJSON. */
export interface EncodedBody {
  readonly ndjsonBytes: number;
  readonly sha256: string;
  readonly body: Buffer;
  readonly compression: Compression;
}

/** Takes lines as they come. Memory holds the whole compressed body, because only a buffer can be signed and sent again. */
export interface Encoder {
  /** Hashes the chunk and hands it to the compressor, which works in another thread. The chunk belongs to the encoder. */
  add(chunk: Buffer): void;
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

/**
 * Chunks wait in the compressor when it is slower than Postgres. A batch has a largest size, and the number of attempts at
 * once is limited, so the waiting chunks are limited too.
 */
export function createEncoder(compression: Compression): Encoder {
  const hash = createHash('sha256');
  const compressor = compressors[compression]();
  const compressed: Buffer[] = [];
  compressor.on('data', (part: Buffer) => compressed.push(part));
  let ndjsonBytes = 0;
  return {
    add(chunk) {
      ndjsonBytes += chunk.length;
      hash.update(chunk);
      compressor.write(chunk);
    },
    async end() {
      compressor.end();
      await once(compressor, 'end');
      return { ndjsonBytes, sha256: hash.digest('hex'), body: Buffer.concat(compressed), compression };
    },
    drop() {
      compressor.destroy();
    },
  };
}
