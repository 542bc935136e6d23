import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { ObjectContent } from '../destination.ts';

const newline = 10;

/** Unpacks an object as it streams. Null when it is not gzip, or is broken. Throws what the stream throws. */
export async function readContent(object: Readable): Promise<ObjectContent | null> {
  const hash = createHash('sha256');
  let rows = 0;
  try {
    await pipeline(object, createGunzip(), async (lines: AsyncIterable<Buffer>) => {
      for await (const part of lines) {
        hash.update(part);
        for (let at = part.indexOf(newline); at !== -1; at = part.indexOf(newline, at + 1)) rows += 1;
      }
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_')) return null;
    throw error;
  }
  return { sha256: hash.digest('hex'), rows };
}
