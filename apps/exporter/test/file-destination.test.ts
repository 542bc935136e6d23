import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Destination } from '@auditbox/destination-kit/destination.ts';
import { fillDisk, mountSmallDisk } from '@auditbox/testing/servers/small-disk.ts';
import { beforeEach, expect, test } from 'vitest';
import { openJournal } from '../src/destinations/file/journal.ts';
import { aRow, deliver, openDestination } from './opened-destination.ts';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'auditbox-file-')), 'audit');
});
const file = () => openDestination({ type: 'file', folder });
const day = () => join(folder, 'dt=2026-07-03.ndjson');
const journal = () => join(folder, '.auditbox-siem.json');
const list = () => join(folder, '.auditbox-siem.list');
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
  const written = readFileSync(list(), 'utf8');
  const crash = () => {
    writeFileSync(journal(), JSON.stringify({ writing: { number: 2, file: 'dt=2026-07-03.ndjson', length: 8 } }));
    // In the line of the list too.
    writeFileSync(list(), `${written}${left === '' ? '' : '2 dt=2026'}`);
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
  expect(await send(await file(), 2)).toEqual({ kind: 'taken' });
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":2}\n{"n":1}\n');
});

test('a request that comes again after many others is in the file once, after a restart too', async () => {
  // The lease of a killed exporter runs for a minute, and others write in the meantime.
  const destination = await file();
  const others = 300;
  for (let first = 0; first <= others; first += 1) await send(destination, first);
  expect(await send(await file(), 0)).toEqual({ kind: 'taken' });
  expect(await send(destination, 1)).toEqual({ kind: 'taken' });
  expect(readFileSync(day(), 'utf8').trimEnd().split('\n')).toHaveLength(others + 1);
});

test('what a former version noted is known: a request that it was writing is cut off, and those before are not written again', async () => {
  await send(await file(), 0);
  await rm(list());
  const writing = { file: 'dt=2026-07-03.ndjson', length: 8 };
  writeFileSync(journal(), JSON.stringify({ writing, written: ['siem/1/0'] }));
  writeFileSync(day(), '{"n":0}\n{"n');
  for (const first of [1, 0]) await send(await file(), first);
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":1}\n');
});

test('a list of requests that became long is shortened, and the last ones stay known', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'auditbox-file-')), '.auditbox-siem.json');
  const opened = openJournal(path, 3);
  const length = () => readFileSync(path.replace('.json', '.list'), 'utf8').trimEnd().split('\n').length;
  for (let n = 0; n < 20; n += 1) {
    await opened.begin({ file: 'dt=2026-07-03.ndjson', length: n });
    expect(await openJournal(path).unfinished()).toMatchObject({ length: n });
    await opened.finish(`siem/${n}/0`);
    for (const journal of [opened, openJournal(path)]) {
      expect(await journal.unfinished()).toBeNull();
      for (let back = 0; back < Math.min(3, n + 1); back += 1)
        expect(await journal.has(`siem/${n - back}/0`)).toBe(true);
    }
    expect(length()).toBeLessThanOrEqual(6);
  }
  await opened.forget('dt=2026-07-03.ndjson');
  for (const journal of [opened, openJournal(path)]) {
    expect(await journal.has('siem/19/0')).toBe(false);
    expect(await journal.unfinished()).toBeNull();
  }
  await opened.begin({ file: 'dt=2026-07-03.ndjson', length: 7 });
  expect(await openJournal(path).unfinished()).toMatchObject({ length: 7 });
});

test('a file that was taken away is begun again with all requests that come again', async () => {
  const destination = await file();
  for (const first of [0, 1, 2]) await send(destination, first);
  await rm(day());
  for (const first of [0, 1, 2, 1]) await send(destination, first);
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
  await send(await file(), 1);
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
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

test('a full disk blocks and uses up no attempt, and leaves each line whole and once when there is space again', async ({
  skip,
}) => {
  const disk = await mountSmallDisk();
  if (disk === null) {
    process.stderr.write(
      '\nSKIPPED: a full disk of the file destination. It mounts a file system, which needs root on Linux.\n\n',
    );
    return skip();
  }
  folder = join(disk.folder, 'audit');
  const destination = await file();
  expect(await send(destination, 0)).toEqual({ kind: 'taken' });
  const free = await fillDisk(disk.folder);
  const large = aRow({ line: `{"n":1,"text":"${'x'.repeat(100_000)}"}` });
  for (let times = 0; times < 3; times += 1)
    expect(await deliver(destination, [large], 1)).toMatchObject({ kind: 'blocked', code: 'ENOSPC' });
  await free();
  for (const first of [1, 2]) expect(await send(destination, first)).toEqual({ kind: 'taken' });
  await destination.close();
  expect(readFileSync(day(), 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
  await disk.remove();
});
