import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Compression } from '@auditbox/core/export/compression.ts';
import type { ObjectContent } from '../destination.ts';

const newline = 10;

/** Unpacks an object as it streams. Null when it is not so compressed, or is broken. Throws what the stream throws. */
export async function readContent(object: Readable, compression: Compression): Promise<ObjectContent | null> {
  const hash = createHash('sha256');
  let rows = 0;
  try {
    await pipeline(
      object,
      compression === 'gzip' ? createGunzip() : createZstdDecompress(),
      async (lines: AsyncIterable<Buffer>) => {
        for await (const part of lines) {
          hash.update(part);
          for (let at = part.indexOf(newline); at !== -1; at = part.indexOf(newline, at + 1)) rows += 1;
        }
      },
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_') || code?.startsWith('ZSTD_')) return null;
    throw error;
  }
  return { sha256: hash.digest('hex'), rows };
}
