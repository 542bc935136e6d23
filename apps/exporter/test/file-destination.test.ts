import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Destination } from '@auditbox/destination-kit/destination.ts';
import { beforeEach, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'auditbox-file-')), 'audit');
});
const file = () => openDestination({ type: 'file', folder });
const day = () => join(folder, 'dt=2026-07-03.ndjson');
const journal = () => join(folder, '.auditbox-siem.json');
const send = (destination: Destination, first: number) =>
  deliver(destination, [aRow({ line: `{"n":${first}}` })], first);

test('has each event once, in the file of its day, also when a request comes again', async () => {
  const destination = await file();
  for (const first of [0, 1, 0, 2, 1]) expect(await send(destination, first)).toEqual({ kind: 'taken' });
  await send(await file(), 2);
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
});

test.each([
  ['before its first byte', ''],
  ['in the middle', '{"n'],
  ['after its last byte', '{"n":1}\n'],
])('a crash in a request, %s, leaves no half line and no line twice', async (_when, left) => {
  await send(await file(), 0);
  const { written } = JSON.parse(readFileSync(journal(), 'utf8'));
  const crash = () => {
    writeFileSync(journal(), JSON.stringify({ writing: { file: 'dt=2026-07-03.ndjson', length: 8 }, written }));
    writeFileSync(day(), `{"n":0}\n${left}`);
  };
  crash();
  await send(await file(), 1);
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":1}\n');
  // Another request may be the first one after the crash.
  crash();
  const destination = await file();
  await send(destination, 2);
  await send(destination, 1);
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":2}\n{"n":1}\n');
});

test('requests at once are written one after another, and a folder that cannot be made blocks', async () => {
  const destination = await file();
  await Promise.all(Array.from({ length: 20 }, (_, first) => send(destination, first)));
  const lines = readFileSync(day(), 'utf8').trimEnd().split('\n');
  expect(lines).toEqual(Array.from({ length: 20 }, (_, n) => `{"n":${n}}`));
  writeFileSync(`${folder}-file`, '');
  folder = `${folder}-file`;
  expect(await send(await file(), 0)).toMatchObject({ kind: 'blocked', code: 'EEXIST' });
});
