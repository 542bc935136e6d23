import type { ServerResponse } from 'node:http';
import { expect, test } from 'vitest';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { runArchive } from '../src/run-archive.ts';
import { makeArchive, someLines } from './make-archive.ts';
import { serveArchive } from './serve-archive.ts';

/* Networks and proxies end answers early. An auditor must not accuse anybody of that. */

type Cut = 'as if it were whole' | 'in the middle';

/** Cuts the first `times` answers for each object. */
function cutAnswers(how: Cut, times: number) {
  const answered = new Map<string, number>();
  return (response: ServerResponse, path: string, body: Buffer): void => {
    const count = (answered.get(path) ?? 0) + 1;
    answered.set(path, count);
    const half = body.subarray(0, body.length >> 1);
    if (!path.startsWith('dt=') || count > times) response.end(body);
    else if (how === 'as if it were whole') response.end(half);
    else response.writeHead(200, { 'content-length': body.length }).write(half, () => response.destroy());
  };
}

async function verify(how: Cut, times: number) {
  const archive = makeArchive();
  for (const hour of [11, 12]) archive.add(someLines(20, hour), { hour });
  await archive.publish();
  const store = await serveArchive(archive, { answer: cutAnswers(how, times) });
  const { source } = store;
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

test('an object that never arrives whole is named as not checked, and accuses nobody', async () => {
  expect(await verify('in the middle', 99)).toEqual({ exitCode: 2, codes: ['unreadable', 'unreadable'] });
});
