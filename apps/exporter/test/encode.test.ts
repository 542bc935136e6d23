import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createEncoder } from '../src/export/encode.ts';

const unpack = { gzip: gunzipSync, zstd: zstdDecompressSync } as const;

test.each(['gzip', 'zstd'] as const)(
  'a %s encoder that is given 8 MB at once is ready when all but 1 MB of it is compressed, and keeps every byte',
  async (compression) => {
    const encoder = createEncoder(compression, { isLogged: true });
    const given: Buffer[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      for (let chunks = 0; chunks < 64; chunks += 1) {
        const chunk = randomBytes(128 * 1024);
        given.push(Buffer.from(chunk));
        encoder.add(chunk);
      }
      expect(encoder.waitingBytes).toBe(8 * 1024 * 1024);
      await encoder.isReady();
      expect(encoder.waitingBytes).toBeLessThan(1024 * 1024);
      while (encoder.waitingBytes > 0) await new Promise(setImmediate);
    }
    const { body, sha256, ndjsonBytes } = await encoder.end();
    const whole = Buffer.concat(given);
    expect(ndjsonBytes).toBe(whole.length);
    expect(sha256).toBe(createHash('sha256').update(whole).digest('hex'));
    expect(unpack[compression](body).equals(whole)).toBe(true);
  },
);

test('an encoder that is dropped is ready at once, so that nobody waits for it', async () => {
  const encoder = createEncoder('gzip', { isLogged: false });
  for (let chunks = 0; chunks < 64; chunks += 1) encoder.add(randomBytes(128 * 1024));
  const ready = encoder.isReady();
  encoder.drop();
  await ready;
});
