/** How an object's body is compressed. The end of its key tells a reader. */
export type Compression = 'gzip' | 'zstd';

/** What follows `.ndjson` in a key. */
export const keyEndings = { gzip: '.gz', zstd: '.zst' } as const satisfies Record<Compression, string>;

/** The compression of an object, by its key. */
export function compressionByKey(key: string): Compression {
  return key.endsWith(keyEndings.zstd) ? 'zstd' : 'gzip';
}
