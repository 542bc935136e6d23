import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { checkpointPath } from '../../evidence/src/log-files.ts';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import type { S3Source } from '../src/archive/bucket.ts';
import { describeRun } from '../src/describe.ts';
import { runArchive } from '../src/run-archive.ts';
import type { Level } from '../src/verify-archive.ts';
import { makeArchive, someLines, type TestArchive } from './make-archive.ts';
import { serveArchive } from './serve-archive.ts';

/*
 * Stores that work, but not as S3 does, and stores that fail. An auditor accuses nobody of either, and never says that all is well.
 * Tests that wait for the pauses between tries run at the same time.
 */

const archive = await makeThreeHours();
const keys = archive.entries.map(({ key }) => key);
const [, aKey = ''] = keys;
const closing: (() => void)[] = [];

afterAll(() => {
  for (const close of closing) close();
});

async function makeThreeHours(): Promise<TestArchive> {
  const made = makeArchive();
  for (const hour of [11, 12, 13]) made.add(someLines(20, hour), { hour });
  await made.publish();
  return made;
}

type Serving = NonNullable<Parameters<typeof serveArchive>[1]>;

async function serve(options: Serving = {}, served = archive): Promise<S3Source> {
  const store = await serveArchive(served, { later: [], ...options });
  closing.push(store.close);
  return store.source;
}

async function verify(options: Serving = {}, { level = 'events' as Level, of = archive } = {}) {
  const key = parseVerifierKey(of.key) as VerifierKey;
  const command = { source: await serve(options, of), key, level, stateFile: null, full: false, sample: 0 };
  const { exitCode, findings, run } = await runArchive(command, { onFinding() {}, onProgress() {} });
  return { exitCode, findings: findings.map(({ code, what }) => [code, what]), run };
}

const holds = { exitCode: 0, findings: [], run: { readObjects: 3, readRows: 60 } };

/** Answers for one path by `how`, as often as given. */
function spoil(path: string, how: (response: ServerResponse, body: Buffer) => void, times = Number.POSITIVE_INFINITY) {
  let left = times;
  return {
    answer(response: ServerResponse, asked: string, body: Buffer) {
      if (asked !== path || left === 0) return void response.end(body);
      left -= 1;
      how(response, body);
    },
  };
}

const refuse = (status: number, code: string) => (response: ServerResponse) =>
  void response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);

describe('a file that a store hands out in another way', () => {
  test('with a Content-Encoding that some tool has stored with it holds: its bytes are what was logged', async () => {
    expect(
      await verify(spoil(aKey, (response, body) => void response.setHeader('content-encoding', 'gzip').end(body))),
    ).toMatchObject(holds);
  });

  test.concurrent.each([
    ['at the third request', 2],
    ['at the fourth request', 3],
  ])('although it was listed, only %s, holds', async (_what, times) => {
    const runs = [aKey, checkpointPath(3)].map((path) => verify(spoil(path, refuse(404, 'NoSuchKey'), times)));
    for (const run of await Promise.all(runs)) expect(run).toMatchObject(holds);
  });

  test.concurrent('although it was listed, never, is named as not checked', async () => {
    expect(await verify(spoil(aKey, refuse(404, 'NoSuchKey')))).toMatchObject({
      exitCode: 2,
      findings: [['unreadable', aKey]],
      run: { readObjects: 2, unreadObjects: 1 },
    });
    const of = await makeThreeHours();
    of.write(checkpointPath(9), 'x');
    expect(await verify(spoil(checkpointPath(9), refuse(404, 'NoSuchKey')), { of })).toMatchObject({
      exitCode: 2,
      findings: [['log-file-unreadable', checkpointPath(9)]],
    });
  });

  test.concurrent.each([
    ['a login page', (response: ServerResponse) => void response.end('<html>Log in.</html>')],
    ['an error with the status of success', (response: ServerResponse) => void response.end('<Error/>')],
    ['a 404 of a proxy', (response: ServerResponse) => void response.writeHead(404).end('<html>Not here.</html>')],
    ['an error of the store, for ever', refuse(500, 'InternalError')],
    ['too many requests, for ever', refuse(503, 'SlowDown')],
    ['a broken connection, for ever', (response: ServerResponse) => void response.destroy()],
  ])('as %s: that one is not checked, and the others are', async (_what, how) => {
    const page = (response: ServerResponse) => {
      response.removeHeader('etag');
      how(response);
    };
    const tile = '_log/tile/0/000.p/3';
    const [ofObject, ofTile] = await Promise.all([verify(spoil(aKey, page)), verify(spoil(tile, page))]);
    expect(ofObject).toMatchObject({ exitCode: 2, findings: [['unreadable', aKey]] });
    expect(ofTile).toMatchObject({ exitCode: 2, findings: [['log-file-unreadable', tile]] });
  });

  test('as entries that differ from those that were compared with the tree leaves no verdict', async () => {
    const entries = '_log/tile/entries/000.p/3';
    let asked = 0;
    const changed = (response: ServerResponse, body: Buffer) => {
      asked += 1;
      response.end(asked === 1 ? body : Buffer.from(body.toString('latin1').replace('rows 20', 'rows 21'), 'latin1'));
    };
    await expect(verify(spoil(entries, changed))).rejects.toThrow(`${entries} changed while it was checked`);
  });

  test('without an end is named, and not read for ever', async () => {
    const part = Buffer.alloc(1024 * 1024);
    const endless = (response: ServerResponse, body: Buffer) => {
      response.write(body);
      const more = (): void => {
        if (!response.destroyed) response.write(part, more);
      };
      more();
    };
    expect(await verify(spoil(aKey, endless))).toMatchObject({ exitCode: 3, findings: [['gzip-extra', aKey]] });
  });
});

/** Answers each listing of objects with such pages, one after the other. */
function paged(toPages: (rows: string[]) => readonly (readonly string[])[]) {
  return {
    intervene(response: ServerResponse, { query }: { query: URLSearchParams }): boolean {
      if (!query.has('list-type')) return false;
      const rows = listRows(query.get('prefix') ?? '');
      const pages = toPages(rows);
      const at = Number(query.get('continuation-token') ?? 0);
      response.end(
        `<ListBucketResult><IsTruncated>${at + 1 < pages.length}</IsTruncated><NextContinuationToken>${at + 1}</NextContinuationToken>${(pages[at] ?? []).join('')}</ListBucketResult>`,
      );
      return true;
    },
  };
}

function listRows(prefix: string): string[] {
  const log = ['checkpoints/000000000003', 'tile/0/000.p/3', 'tile/entries/000.p/3'].map((path) => `_log/${path}`);
  return [...log, ...keys]
    .filter((path) => path.startsWith(prefix))
    .map(
      (path) =>
        `<Contents><Key>${path}</Key><Size>${readFileSync(join(archive.folder, path)).length}</Size><LastModified>2026-07-03T20:00:00Z</LastModified></Contents>`,
    );
}

describe('a listing', () => {
  test.each([
    ['with pages of one key', (rows: string[]) => rows.map((row) => [row])],
    ['with pages without a key', (rows: string[]) => [[], ...rows.flatMap((row) => [[row], [], []]), []]],
    ['that is not sorted', (rows: string[]) => rows.toReversed().map((row) => [row])],
    ['that repeats keys', (rows: string[]) => [rows, rows.slice(-1)]],
    ['that repeats keys on one page', (rows: string[]) => [rows.flatMap((row) => [row, row])]],
  ])('%s holds', async (_what, toPages) => {
    expect(await verify(paged(toPages))).toMatchObject({ ...holds, run: { log: { checkpoints: [{ size: 3 }] } } });
  });

  test.each([
    [
      'that gives its pages again, with new tokens',
      (rows: string[]) => Array.from({ length: 99 }, () => rows),
      /again/,
    ],
    [
      'that gives two pages in turn',
      (rows: string[]) => Array.from({ length: 99 }, (_, n) => rows.slice(n % 2, (n % 2) + 1)),
      /again/,
    ],
    ['of more than a thousand pages without a key', () => Array.from({ length: 2_000 }, () => []), /without a key/],
    [
      'of keys that were not asked for',
      (rows: string[]) => [[...rows, '<Contents><Key>_other</Key><Size>1</Size></Contents>']],
      /lists _other/,
    ],
  ])('%s ends without a verdict', async (_what, toPages, says) => {
    await expect(verify(paged(toPages))).rejects.toThrow(says);
  });

  /** Fails the second page of each listing so often. */
  function failing(how: (response: ServerResponse) => void, times: number) {
    let left = times;
    const pages = paged((rows) => rows.map((row) => [row]));
    return {
      intervene(response: ServerResponse, asked: { path: string; query: URLSearchParams }): boolean {
        if (!asked.query.has('continuation-token') || left === 0) return pages.intervene(response, asked);
        left -= 1;
        how(response);
        return true;
      },
    };
  }

  test.concurrent.each([
    ['503 (SlowDown)', refuse(503, 'SlowDown')],
    ['200 (SlowDown)', (response: ServerResponse) => void response.end('<Error><Code>SlowDown</Code></Error>')],
    ['400 (RequestTimeout)', refuse(400, 'RequestTimeout')],
  ])('whose second page is %s is asked for again, and not for ever', async (says, how) => {
    const message = says.replace(/[()]/g, '\\$&');
    await Promise.all([
      expect(verify(failing(how, 3))).resolves.toMatchObject(holds),
      expect(verify(failing(how, Number.POSITIVE_INFINITY))).rejects.toThrow(new RegExp(message)),
    ]);
  });

  test.each([301, 307])('that redirects to another region with %s says which setting is wrong', async (status) => {
    const intervene = (response: ServerResponse) => {
      response.writeHead(status, { location: 'http://127.0.0.1:1/' });
      response.end('<Error><Code>TemporaryRedirect</Code><Endpoint>b.s3.eu-west-1.amazonaws.com</Endpoint></Error>');
      return true;
    };
    await expect(verify({ intervene })).rejects.toThrow(/another region \(b\.s3\.eu-west-1.*set S3_REGION/);
  });

  test('with a name that no key can have, or that no request can name, ends nothing', async () => {
    const odd = ['_log/checkpoints/../keys/000001', '_log/keys/&#xD800;', '_log/keys/&#1;'];
    const more = (prefix: string) =>
      odd
        .filter((path) => path.startsWith(prefix))
        .map((path) => `<Contents><Key>${path}</Key><Size>1</Size></Contents>`);
    const intervene = (response: ServerResponse, { query }: { query: URLSearchParams }): boolean => {
      if (!query.has('list-type')) return false;
      const prefix = query.get('prefix') ?? '';
      response.end(
        `<ListBucketResult><IsTruncated>false</IsTruncated>${[...listRows(prefix), ...more(prefix)].join('')}</ListBucketResult>`,
      );
      return true;
    };
    const { exitCode, run } = await verify({ intervene });
    expect([exitCode, run.readObjects]).toEqual([2, 3]);
  });
});

test('keys with percent and plus signs are asked for as they are', async () => {
  const key = "tenant=a%2Fb%25+c~é'()*/dt=2026-07-03/hour=16/160000_000000000009_0123456789ab.ndjson.gz";
  const of = await makeThreeHours();
  const made = of.add(someLines(2, 16), { hour: 16, lie: { key } });
  mkdirSync(dirname(join(of.folder, key)), { recursive: true });
  renameSync(join(of.folder, made), join(of.folder, key));
  await of.publish();
  expect(await verify({}, { of })).toMatchObject({ exitCode: 0, findings: [], run: { readObjects: 4 } });
});

describe('in a bucket with versions', () => {
  const marker = (path: string) => ({ path, kind: 'DeleteMarker' as const });

  test('a lifecycle rule that removed all checkpoints leaves a broken log, and not one that was never there', async () => {
    const { exitCode, findings } = await verify({ later: [marker(checkpointPath(3))] });
    expect(exitCode).toBe(3);
    expect(findings).toContainEqual(['object-shadowed', checkpointPath(3)]);
  });

  test('a delete marker over the newest checkpoint is seen at the level of the log too', async () => {
    const of = await makeThreeHours();
    of.add(someLines(5, 14), { hour: 14 });
    await of.publish();
    expect(await verify({ later: [marker(checkpointPath(4))] }, { level: 'log', of })).toMatchObject({
      exitCode: 3,
      findings: [['object-shadowed', checkpointPath(4)]],
    });
  });

  test('delete markers over entries and their tile accuse no object of being foreign', async () => {
    const paths = ['_log/tile/entries/000.p/3', '_log/tile/0/000.p/3'];
    const { exitCode, findings } = await verify({ later: paths.map(marker) });
    expect(exitCode).toBe(3);
    expect(findings.filter(([code]) => code === 'object-not-in-log')).toEqual([]);
    for (const path of paths) expect(findings).toContainEqual(['object-shadowed', path]);
  });

  test('a version that two pages show is one version', async () => {
    const row = (key: string, id: string) =>
      `<Version><Key>${key}</Key><VersionId>${id}</VersionId><IsLatest>true</IsLatest></Version>`;
    const pages = [[aKey], [aKey, keys[2] ?? '']];
    const intervene = (response: ServerResponse, { query }: { query: URLSearchParams }): boolean => {
      if (!query.has('versions')) return false;
      const at = query.has('key-marker') ? 1 : 0;
      response.end(
        `<ListVersionsResult><IsTruncated>${at === 0}</IsTruncated><NextKeyMarker>${aKey}</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>${(pages[at] ?? []).map((key) => row(key, '1')).join('')}</ListVersionsResult>`,
      );
      return true;
    };
    expect(await verify({ intervene })).toMatchObject({ exitCode: 0, findings: [] });
  });

  test('whose versions cannot be listed and whose log is not there nothing could be checked', async () => {
    const intervene = (response: ServerResponse, { query }: { query: URLSearchParams }): boolean => {
      if (query.has('versions')) refuse(403, 'AccessDenied')(response);
      else if (query.has('list-type'))
        response.end('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>');
      else return false;
      return true;
    };
    expect((await verify({ intervene })).exitCode).toBe(1);
  });
});

test('the command says how many of the objects that were read are locked', async () => {
  const day = 86_400_000;
  const until = (at: number) => new Date(Date.now() + at).toISOString();
  const locks = new Map([
    [keys[0], until(2 * day)],
    [keys[1], until(9 * day)],
    [keys[2], until(-day)],
  ]);
  const answer = (response: ServerResponse, path: string, body: Buffer) => {
    const time = locks.get(path);
    if (time !== undefined)
      response.setHeader('x-amz-object-lock-mode', 'COMPLIANCE').setHeader('x-amz-object-lock-retain-until-date', time);
    response.end(body);
  };
  const first = await verify({ answer });
  expect(first.run.locks).toEqual({ objects: 2, until: locks.get(keys[0]) });
  expect(describeRun(first.run, 0, null)).toContain('1 of the 3 that were read are not locked.');
  locks.set(keys[2], until(day));
  expect(describeRun((await verify({ answer })).run, 0, null)).toContain(
    `All objects that were read are locked, the first until ${locks.get(keys[2])}.`,
  );
});

test('a store that goes away in the middle ends the command with a sentence, and accuses nobody', async () => {
  let isAway = false;
  const source = await serve({
    intervene(response) {
      if (isAway) response.destroy();
      return isAway;
    },
    answer(response, path, body) {
      response.end(body);
      isAway ||= path === keys[0];
    },
  });
  const file = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const child = spawn(process.execPath, [file, '--s3', 'bucket', '--prefix', '', '--key', archive.key], {
    env: { ...process.env, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', S3_ENDPOINT: source.endpoint },
  });
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((ended) => child.on('close', ended)),
  ]);
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toContain('cannot be reached');
  expect(stderr).not.toContain('    at ');
});
