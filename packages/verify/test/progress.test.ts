import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { makeArchive, someLines } from './make-archive.ts';
import { serveArchive } from './serve-archive.ts';

/* A long run says how far it is. */

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));

test('a run says what it has read of the log and of the objects, and nothing of it stands among the findings', async () => {
  const archive = makeArchive();
  const keys = Array.from({ length: 257 }, () => archive.add(someLines(2)));
  await archive.publish();
  /** The store answers for these once the line before them was printed. */
  const late = [
    { path: '_log/tile/entries/001.p/1', line: '256 of 257 entries of the log read.' },
    { path: keys.at(-1), line: '256 objects with 512 events read, up to entry 256 of 257 of the log.' },
  ].map((one) => ({ ...one, printed: Promise.withResolvers<void>() }));
  const store = await serveArchive(archive, {
    later: [],
    async answer(response, path, body) {
      await late.find((one) => one.path === path)?.printed.promise;
      response.end(body);
    },
  });
  const { endpoint, bucket } = store.source;
  const args = ['--s3', bucket, '--prefix', '', '--key', archive.key, '--json'];
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any', S3_ENDPOINT: endpoint },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = Promise.all([text(child.stdout), once(child, 'close')]);
  let shown = '';
  for await (const part of child.stderr.setEncoding('utf8')) {
    shown += part;
    for (const { line, printed } of late) if (shown.split('\n').includes(line)) printed.resolve();
  }
  const [output, [code]] = await ended;
  store.close();
  expect([code, JSON.parse(output)]).toMatchObject([0, { readObjects: 257, readRows: 514, findings: [] }]);
  expect(shown.split('\n')).toEqual(expect.arrayContaining(late.map(({ line }) => line)));
});
