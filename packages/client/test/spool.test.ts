import { randomUUID } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@auditbox/client/audit-client.ts';
import { openSpool, type Spool } from '@auditbox/client/spool/spool.ts';
import { openSpoolFiles } from '@auditbox/client/spool/spool-files.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { fillDisk, mountSmallDisk } from '@auditbox/testing/servers/small-disk.ts';
import { type App, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

let api: ApiFixture;
let folder: string;
let opened: Spool[] = [];

beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spool-'));
});
afterEach(async () => {
  await Promise.all(opened.map((spool) => spool.close()));
  opened = [];
  await rm(folder, { recursive: true, force: true });
});

const nobody = 'http://127.0.0.1:9';

async function open(options: Partial<Parameters<typeof openSpool>[0]> = {}, baseUrl = api.url): Promise<Spool> {
  const client = createClient({ baseUrl, key: masterKey });
  const spool = await openSpool({ folder, client, onError: () => {}, ...options });
  opened.push(spool);
  return spool;
}

const eventFiles = async () => (await readdir(folder)).filter((name) => name.endsWith('.events'));
const withoutId = (table_name: string) => ({ ...anEvent({ table_name }), id: null });

async function storedIds(table_name: string): Promise<string[]> {
  const rows = await api.db.sql<{ id: string }[]>`
    select id from auditbox.audit_log where table_name = ${table_name} order by id`;
  return rows.map(({ id }) => id);
}

test('events of the spool are stored, with the time at which they were added, and leave the disk', async () => {
  const spool = await open();
  const before = new Date().toISOString();
  const ids = await Promise.all(Array.from({ length: 300 }, () => spool.add(withoutId('all'))));
  await spool.drain();
  expect(await storedIds('all')).toEqual(ids.sort());
  expect([await eventFiles(), spool.bytes]).toEqual([[], 0]);
  const { body } = await api.request(`/audit/${ids[0]}`);
  expect(body.updated_at >= before && body.updated_at <= body.recorded_at).toBe(true);
});

test('each event that the spool took is stored once, although the writer and the api are killed', async () => {
  const program = fileURLToPath(new URL('spool-until-killed.ts', import.meta.url));
  const taken = (app: App) => app.output().match(/(?<=^took )\S+/gm) ?? [];
  const ids: string[] = [];
  const settings = { PORT: String(await findFreePort()) };
  let sender = await startApi(urlAs('api', api.db.url), settings);
  for (let kill = 0; kill < 3; kill += 1) {
    const writer = spawnProgram(process.execPath, [program, folder, sender.url, masterKey], { env: {} });
    await eventually(() => expect(taken(writer).length).toBeGreaterThan(50));
    // The api dies while the writer sends, and comes back at the same address.
    sender.app.signal('SIGKILL');
    await sender.app.ended;
    const before = taken(writer).length;
    await eventually(() => expect(taken(writer).length).toBeGreaterThan(before + 50));
    sender = await startApi(urlAs('api', api.db.url), settings);
    writer.signal('SIGKILL');
    await writer.ended;
    ids.push(...taken(writer));
  }
  const spool = await open({}, sender.url);
  await spool.drain();
  const stored = await storedIds('spooled');
  expect(new Set(stored).size).toBe(stored.length);
  // More may be stored: events on disk whose acknowledgement the kill prevented.
  expect(ids.filter((id) => !stored.includes(id))).toEqual([]);
  sender.app.signal('SIGTERM');
  await sender.app.ended;
});

test('a torn last line is no event, and the lines before it are stored', async () => {
  const away = await open({}, nobody);
  const ids = [await away.add(withoutId('torn')), await away.add(withoutId('torn'))];
  await away.close();
  const [name = ''] = await eventFiles();
  const line = (await readFile(join(folder, name), 'utf8')).split('\n')[0] as string;
  await appendFile(join(folder, name), line.slice(0, -5));
  const spool = await open();
  await spool.drain();
  expect(await storedIds('torn')).toEqual(ids.sort());
  expect(await readdir(folder)).not.toContain('refused.ndjson');
});

test('a line that the disk changed is kept and reported, and the other lines are stored', async () => {
  const away = await open({}, nobody);
  const ids = [await away.add(withoutId('damaged')), await away.add(withoutId('damaged'))];
  await away.close();
  const [name = ''] = await eventFiles();
  const text = await readFile(join(folder, name), 'utf8');
  await writeFile(join(folder, name), text.replace('ana@example.com', 'eve@example.com'));
  const refused: unknown[] = [];
  const spool = await open({ onRefused: (one) => refused.push(one) });
  await spool.drain();
  expect(await storedIds('damaged')).toEqual([ids[1]]);
  expect(refused).toMatchObject([{ event: expect.stringContaining(ids[0] as string), reason: /damaged/ }]);
  expect(await readFile(join(folder, 'refused.ndjson'), 'utf8')).toContain(ids[0]);
});

test('an event that the api will never take is kept and reported, and holds up no other', async () => {
  const refused: string[] = [];
  const spool = await open({ onRefused: ({ reason }) => refused.push(reason) });
  const good = [await spool.add(anEvent({ table_name: 'mixed' })), await spool.add(anEvent({ table_name: 'mixed' }))];
  await spool.add({ ...anEvent({ table_name: 'mixed' }), action: 'exploded' });
  await spool.add(anEvent({ table_name: 'mixed', updated_values: { text: 'x'.repeat(2_000_000) } }));
  await spool.add(anEvent({ table_name: 'mixed', updated_values: JSON.parse('['.repeat(2_000) + ']'.repeat(2_000)) }));
  await spool.drain();
  expect(await storedIds('mixed')).toEqual(expect.arrayContaining(good));
  expect(refused).toEqual(expect.arrayContaining([expect.stringContaining('action')]));
  const kept = (await readFile(join(folder, 'refused.ndjson'), 'utf8')).trimEnd().split('\n');
  expect(kept.length + (await storedIds('mixed')).length).toBe(5);
  expect(kept).toHaveLength(refused.length);
  expect(await eventFiles()).toEqual([]);
});

test('events that the database refuses for now hold up no other, and are stored once it takes them', async () => {
  const { sql } = api.db;
  const now = new Date();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 15)).toISOString();
  const table = `auditbox.audit_log_${month.slice(0, 7).replace('-', '_')}`;
  await sql`select auditbox.make_month(${month}::timestamptz)`;
  const [{ bound }] = await sql<[{ bound: string }]>`
    select pg_get_expr(relpartbound, oid) as bound from pg_class where oid = ${table}::regclass`;
  await sql.unsafe(`alter table auditbox.audit_log detach partition ${table}`);
  const good = () => anEvent({ table_name: 'stuck' });
  const bad = () => anEvent({ table_name: 'stuck', updated_at: month });
  const wrong = { ...anEvent({ table_name: 'stuck' }), action: 'exploded' };
  const away = await open({}, nobody);
  const add = (spool: Spool, events: readonly ReturnType<typeof good>[]) =>
    Promise.all(events.map((event) => spool.add(event)));
  const sent = [good(), good(), bad(), good(), wrong, good()];
  // One file. All events of the next one are of the month.
  await add(away, sent);
  await away.close();
  const errors: unknown[] = [];
  const refused: unknown[] = [];
  const spool = await open({ onError: (error) => errors.push(error), onRefused: (one) => refused.push(one) });
  const stuck = await add(spool, [bad(), bad(), bad()]);
  const later = await add(spool, [good()]);
  await eventually(async () => expect(await storedIds('stuck')).toEqual(expect.arrayContaining(later)));
  await eventually(() => expect(errors.length).toBeGreaterThan(2));
  expect(errors[0]).toMatchObject({ status: 503, problemCode: 'database-misconfigured' });
  expect(await storedIds('stuck')).toHaveLength(5);
  expect(refused).toHaveLength(1);
  const stopped = spool.drain({ signal: AbortSignal.abort(new Error('events wait')) });
  await expect(stopped).rejects.toThrow('events wait');
  await spool.close();
  const texts = await Promise.all((await eventFiles()).map((name) => readFile(join(folder, name), 'utf8')));
  const waiting = texts.join('').match(/(?<="id":")[0-9a-f-]{36}/g) ?? [];
  expect(waiting.toSorted()).toEqual([sent[2]?.id, ...stuck].toSorted());
  await sql.unsafe(`alter table auditbox.audit_log attach partition ${table} ${bound}`);
  const again = await open();
  expect(again.bytes).toBe(Buffer.byteLength(texts.join('')));
  await again.drain();
  expect(await storedIds('stuck')).toEqual(expect.arrayContaining([...waiting, ...later]));
  expect([await storedIds('stuck').then((ids) => ids.length), await eventFiles(), again.bytes]).toEqual([9, [], 0]);
});

test('new lines wait for one postponed file, however many there are, and each postponed file has its turn', async () => {
  const files = await openSpoolFiles(folder, 1_000_000);
  const waits: number[] = [];
  const triesOf = new Map<string, number>();
  const turns = 60;
  for (let turn = 0; turn < turns; turn += 1) {
    await Promise.all([files.append(`good ${turn}\n`), files.append(`bad ${turn}\n`)]);
    const { name, text } = (await files.takeNext()) ?? { name: '', text: '' };
    const lines = text.split('\n').slice(0, -1);
    for (const line of lines.filter((one) => one.startsWith('good'))) waits.push(turn - Number(line.slice(5)));
    const bad = lines.filter((line) => line.startsWith('bad'));
    for (const line of bad) triesOf.set(line, (triesOf.get(line) ?? 0) + 1);
    if (bad.length === lines.length) await files.postpone(name);
    else await files.replace(name, `${bad.join('\n')}\n`);
  }
  expect([waits.length >= turns - 1, Math.max(...waits)]).toEqual([true, 1]);
  // Half of the turns are those of postponed files, the oldest first.
  expect([...triesOf.values()].filter((tries) => tries > 1).length).toBeGreaterThan(turns / 3);
  const all = (await Promise.all((await eventFiles()).map((name) => readFile(join(folder, name), 'utf8')))).join('');
  expect(files.bytes).toBe(Buffer.byteLength(all));
  expect(all.match(/bad \d+/g)?.toSorted()).toEqual(Array.from({ length: turns }, (_, n) => `bad ${n}`).toSorted());
  await files.close();
});

test('a full spool refuses an event and loses none, also when adds come together', async () => {
  const spool = await open({ maxBytes: 10_000 }, nobody);
  const added = await Promise.allSettled(Array.from({ length: 100 }, () => spool.add(withoutId('full'))));
  const ids = added.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const errors = added.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []));
  expect(ids.length).toBeGreaterThan(5);
  expect(errors.length).toBeGreaterThan(5);
  expect(new Set(errors)).toEqual(new Set(['AUDITBOX_SPOOL_FULL']));
  expect(spool.bytes).toBeLessThanOrEqual(10_000);
  await spool.close();
  const again = await open();
  await again.drain();
  expect(await storedIds('full')).toEqual(ids.sort());
  // There is space again.
  await again.add(withoutId('full'));
});

test('a full disk refuses an event and loses none that was taken', async ({ skip }) => {
  const disk = await mountSmallDisk();
  if (disk === null) {
    process.stderr.write(
      '\nSKIPPED: a full disk of the spool. It mounts a file system, which needs root on Linux.\n\n',
    );
    return skip();
  }
  const folderThere = join(disk.folder, 'spool');
  const spool = await open({ folder: folderThere }, nobody);
  const taken = [await spool.add(withoutId('disk'))];
  const free = await fillDisk(disk.folder);
  const add = () => spool.add({ ...withoutId('disk'), updated_values: { text: 'x'.repeat(100_000) } });
  await expect(add()).rejects.toMatchObject({ code: 'ENOSPC' });
  await expect(add()).rejects.toMatchObject({ code: 'ENOSPC' });
  // Each add began a file. Without its name, failing adds do not fill the folder.
  expect((await readdir(folderThere)).filter((name) => name.endsWith('.events'))).toHaveLength(1);
  await free();
  taken.push(await spool.add(withoutId('disk')));
  await spool.close();
  const again = await open({ folder: folderThere });
  await again.drain();
  expect(await storedIds('disk')).toEqual(taken.sort());
  await again.close();
  await disk.remove();
});

test('a report of the service that fails later does not end the process, and the sending goes on', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => void warnings.push(message);
  process.on('warning', note);
  let reports = 0;
  const fail = async () => {
    reports += 1;
    throw new Error('the pager is away');
  };
  const away = await open({ onError: fail }, nobody);
  await away.add(withoutId('reported'));
  await eventually(() => expect(reports).toBeGreaterThan(1));
  await away.close();
  const spool = await open({ onRefused: fail });
  const id = await spool.add(withoutId('reported'));
  await spool.add({ ...anEvent({ table_name: 'reported' }), action: 'exploded' });
  await spool.drain();
  expect(await storedIds('reported')).toContain(id);
  await eventually(() => expect(warnings.filter((text) => text.includes('the pager is away')).length).toBe(reports));
  process.off('warning', note);
});

test('a spool that was closed takes no event, because another process may have the folder', async () => {
  const closed = await open();
  await closed.close();
  const next = await open();
  await expect(closed.add(withoutId('closed'))).rejects.toThrow('is closed');
  const id = await next.add(withoutId('closed'));
  await next.drain();
  expect(await storedIds('closed')).toEqual([id]);
});

test('a refused event has a line to itself, also after a line that a crash tore', async () => {
  await writeFile(join(folder, 'refused.ndjson'), '{"event":{"id":"0194');
  const spool = await open({ onRefused: () => {} });
  for (const object_id of ['one', 'two']) await spool.add({ ...anEvent({ object_id }), action: 'exploded' });
  await spool.drain();
  const [, ...kept] = (await readFile(join(folder, 'refused.ndjson'), 'utf8')).trimEnd().split('\n');
  expect(kept.map((line) => JSON.parse(line).event.object_id)).toEqual(['one', 'two']);
});

test('a wrong key loses nothing', async () => {
  const errors: unknown[] = [];
  const client = createClient({ baseUrl: api.url, key: 'ab_unknown' });
  const wrong = await open({ client, onError: (error) => errors.push(error) });
  const id = await wrong.add(withoutId('key'));
  await eventually(() => expect(errors[0]).toMatchObject({ status: 401, problemCode: 'unauthorized' }));
  const stop = AbortSignal.abort(new Error('enough'));
  await expect(wrong.drain({ signal: stop })).rejects.toThrow('enough');
  await wrong.close();
  await (await open()).drain();
  expect(await storedIds('key')).toEqual([id]);
});

test('a folder belongs to one process, also after its owner was killed', async () => {
  const program = fileURLToPath(new URL('spool-until-killed.ts', import.meta.url));
  const owner = spawnProgram(process.execPath, [program, folder, nobody, masterKey], { env: {} });
  await eventually(() => expect(owner.output()).toContain('took '));
  await expect(open()).rejects.toMatchObject({ code: 'AUDITBOX_SPOOL_IN_USE' });
  owner.signal('SIGSTOP');
  await expect(open()).rejects.toMatchObject({ code: 'AUDITBOX_SPOOL_IN_USE' });
  owner.signal('SIGKILL');
  await owner.ended;
  // Of several processes that begin together at most one gets the folder.
  const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => open()));
  expect(attempts.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(1);
  await Promise.all(opened.map((spool) => spool.close()));
  opened = [];
  await expect(open()).resolves.toBeDefined();
});

test('an event with the id of an earlier one is stored once', async () => {
  const spool = await open();
  const event = { ...anEvent({ table_name: 'twice' }), id: randomUUID(), updated_at: '2026-07-03T11:00:00Z' };
  await spool.add(event);
  await spool.add(event);
  await spool.drain();
  await spool.add(event);
  await spool.drain();
  expect(await storedIds('twice')).toEqual([event.id]);
});
