import { randomUUID } from 'node:crypto';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

let fixture: ArchiveFixture;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  await fixture.insert([{ id: randomUUID(), at: '2026-07-03T11:46:50Z', actor: 'ana' }]);
  await fixture.drain();
});
afterEach(endApps);
afterAll(() => fixture.close());

test('erase ends with exit code 4, says what to do instead, sends nothing to the store, and the event is still there', async () => {
  const [before, objects] = [fixture.proxy.requests.length, await fixture.bucket.objects()];
  const sent = fixture.proxy.requests.length;
  for (const args of [['erase'], ['erase', '--subject', 'ana']]) {
    // A script sees nothing on standard output, so that no text looks like a result.
    const app = fixture.spawnInShell(`archive ${args.join(' ')} 2>/dev/null`);
    expect([await app.ended, app.output()]).toEqual([4, '']);
    const shown = fixture.spawn(args);
    expect(await shown.ended).toBe(4);
    for (const part of ['Nothing was erased.', 'destroy the key', 'docs/archive.md'])
      expect(shown.output()).toContain(part);
  }
  const asJson = fixture.spawn(['erase', '--json']);
  expect(await asJson.ended).toBe(4);
  expect(JSON.parse(asJson.output())).toEqual({ erased: 0, says: expect.stringContaining('Nothing was erased.') });
  expect(fixture.proxy.requests.length).toBe(sent);
  expect(await fixture.bucket.objects()).toEqual(objects);
  expect(before).toBeGreaterThan(0);
});

test('erase needs no setting, and refuses what it does not know', async () => {
  const without = fixture.spawn(['erase', '--subject', 'ana'], { S3_BUCKET: '', S3_ENDPOINT: '' });
  expect(await without.ended).toBe(4);
  // It is not exit code 4: a wrong command line must not look like the answer.
  for (const args of [
    ['erase', 'ana'],
    ['erase', '--subject'],
    ['erase', '--force'],
  ]) {
    const wrong = fixture.spawn(args);
    expect([args, await wrong.ended]).toEqual([args, 1]);
  }
});
