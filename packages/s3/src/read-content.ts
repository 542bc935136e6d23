import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Compression } from '@auditbox/core/export/compression.ts';

const newline = 10;

/** What an object holds. `sha256` is of the uncompressed lines, as 64 hexadecimal digits. */
export interface ObjectContent {
  readonly sha256: string;
  readonly rows: number;
  readonly ndjsonBytes: number;
  /** Of the object as it is stored. */
  readonly objectSha256: string;
  readonly objectBytes: number;
}

/** What arrived of an object. `content` is null when it is not so compressed, or is broken. */
interface Unpacked {
  readonly content: ObjectContent | null;
  readonly objectBytes: number;
}

/** Unpacks an object as it streams. Throws what the stream throws. */
export async function readContent(
  object: Readable,
  compression: Compression,
  onLines?: (part: Buffer) => void,
): Promise<Unpacked> {
  const hash = createHash('sha256');
  const objectHash = createHash('sha256');
  let [rows, ndjsonBytes, objectBytes] = [0, 0, 0];
  try {
    await pipeline(
      object,
      async function* (parts: AsyncIterable<Buffer>) {
        for await (const part of parts) {
          objectHash.update(part);
          objectBytes += part.length;
          yield part;
        }
      },
      compression === 'gzip' ? createGunzip() : createZstdDecompress(),
      async (lines: AsyncIterable<Buffer>) => {
        for await (const part of lines) {
          hash.update(part);
          ndjsonBytes += part.length;
          for (let at = part.indexOf(newline); at !== -1; at = part.indexOf(newline, at + 1)) rows += 1;
          onLines?.(part);
        }
      },
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_') || code?.startsWith('ZSTD_')) return { content: null, objectBytes };
    throw error;
  }
  const hashes = { sha256: hash.digest('hex'), objectSha256: objectHash.digest('hex') };
  return { content: { ...hashes, rows, ndjsonBytes, objectBytes }, objectBytes };
}
