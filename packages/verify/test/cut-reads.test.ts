import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { runArchive } from '../src/run-archive.ts';
import { makeArchive, someLines, type TestArchive } from './make-archive.ts';

/* Networks and proxies end answers early. An auditor must not accuse anybody of that. */

type Cut = 'as if it were whole' | 'in the middle';

/** A store with the files of an archive. It cuts the first `times` answers for each object. */
async function serve({ folder }: TestArchive, how: Cut, times: number) {
  const answered = new Map<string, number>();
  const server = createServer(({ url = '' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://store');
    if (searchParams.has('versions')) return response.writeHead(501).end();
    if (searchParams.has('list-type')) {
      const prefix = searchParams.get('prefix') ?? '';
      const files = globSync('**', { cwd: folder }).filter(
        (path) => path.startsWith(prefix) && statSync(join(folder, path)).isFile(),
      );
      const rows = files.map((path) => {
        const { size, mtime } = statSync(join(folder, path));
        return `<Contents><Key>${path}</Key><Size>${size}</Size><LastModified>${mtime.toISOString()}</LastModified></Contents>`;
      });
      return response.end(`<ListBucketResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListBucketResult>`);
    }
    const path = decodeURIComponent(pathname).replace('/bucket/', '');
    let body: Buffer;
    try {
      body = readFileSync(join(folder, path));
    } catch {
      return response.writeHead(404).end();
    }
    const count = (answered.get(path) ?? 0) + 1;
    answered.set(path, count);
    if (!path.startsWith('dt=') || count > times) return response.end(body);
    const half = body.subarray(0, body.length >> 1);
    if (how === 'as if it were whole') return response.end(half);
    response.writeHead(200, { 'content-length': body.length }).write(half, () => response.destroy());
    return response;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() };
}

async function verify(how: Cut, times: number) {
  const archive = makeArchive();
  for (const hour of [11, 12]) archive.add(someLines(20, hour), { hour });
  await archive.publish();
  const store = await serve(archive, how, times);
  const source = {
    kind: 's3',
    ...{ bucket: 'bucket', prefix: '', region: 'us-east-1', endpoint: store.endpoint },
    ...{ accessKeyId: 'any', secretAccessKey: 'any', sessionToken: null },
  } as const;
  const key = parseVerifierKey(archive.key) as VerifierKey;
  const command = { source, key, level: 'events', stateFile: null, full: false, sample: 0 } as const;
  const result = await runArchive(command, { onFinding() {}, onProgress() {} });
  store.close();
  return { exitCode: result.exitCode, codes: result.findings.map(({ code }) => code) };
}

test.each(['as if it were whole', 'in the middle'] as const)(
  'an answer that ends early, %s, is asked for again and accuses nobody',
  async (how) => {
    expect(await verify(how, 2)).toEqual({ exitCode: 0, codes: [] });
  },
);

test('an object that is short each time is named as changed', async () => {
  expect(await verify('as if it were whole', 99)).toMatchObject({
    exitCode: 3,
    codes: ['object-changed', 'object-changed'],
  });
});

test('an object that never arrives whole leaves no verdict', async () => {
  await expect(verify('in the middle', 99)).rejects.toThrow(/cannot be read to its end/);
});
