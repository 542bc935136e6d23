import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkEventProof, parseEventProof } from '@auditbox/evidence/event-proof.ts';
import { createKeySigner, formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { logCrashPoints } from '@auditbox/process/crash-point.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import { DeleteObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* The log of batches, checked from outside by the command that an auditor runs. */

const origin = 'log.example/test';
const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const keyFile = join(mkdtempSync(join(tmpdir(), 'log-')), 'key.pem');
writeFileSync(keyFile, pem);
const { key } = createKeySigner(origin, pem);
const logged = { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: keyFile, EXPORT_LOG_INTERVAL_MS: '100' };
const prefix = 'audit_logs/';

let rig: ExporterFixture;
const events = [11, 12, 13].flatMap((hour) => someEvents(4, { updated_at: `2026-07-03T${hour}:46:50Z` }));
const ids = events.map(({ id }) => id);

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

/** What the auditor's command finds in the bucket. */
async function audit(level: 'log' | 'content' | 'events' = 'events', trusted = key) {
  const source = {
    kind: 's3',
    ...{ bucket: rig.bucket.name, prefix, region: 'us-east-1', endpoint: rig.proxy.endpoint },
    ...{ ...testCredentials, sessionToken: null },
  } as const;
  const { exitCode, findings, run } = await runArchive(
    { source, key: trusted, level, stateFile: null, full: false, sample: 0 },
    { onFinding() {}, onProgress() {} },
  );
  return { exitCode, codes: findings.map(({ code }) => code), size: run.log?.checkpoint.size ?? 0, rows: run.rows };
}

async function listLog(): Promise<string[]> {
  const { Contents = [] } = await rig.bucket.client.send(
    new ListObjectsV2Command({ Bucket: rig.bucket.name, Prefix: `${prefix}_log/` }),
  );
  return Contents.map(({ Key = '' }) => Key.slice(prefix.length));
}

test('a drain logs every batch, and an auditor finds all events and nothing else', async () => {
  const app = await rig.drain(logged);
  expect(await app.ended).toBe(0);
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 3, rows: 12 });
  expect(await listLog()).toEqual([
    '_log/checkpoints/000000000003',
    '_log/tile/0/000.p/3',
    '_log/tile/entries/000.p/3',
  ]);
  await expectExactlyOnce(rig.bucket, ids);
  expect((await rig.bucket.objects())[0]?.metadata['lines-root']).toMatch(/^[0-9a-f]{64}$/);
  // Nothing new: no new checkpoint.
  await rig.drain(logged);
  expect(await listLog()).toHaveLength(3);
});

test('a log grows by what is new, and each earlier checkpoint stays consistent', async () => {
  for (let hour = 14; hour < 19; hour += 1) {
    await rig.db.store(someEvents(2, { updated_at: `2026-07-03T${hour}:00:00Z` }));
    expect(await (await rig.drain(logged)).ended).toBe(0);
  }
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 8, rows: 22 });
  expect((await listLog()).filter((path) => path.includes('checkpoints'))).toHaveLength(5);
});

test.each(logCrashPoints)(
  'an exporter killed %s: the next one goes on, and no batch is logged twice or left out',
  async (point) => {
    await rig.drainUntil(point, logged);
    await rig.db.store(someEvents(2, { updated_at: '2026-07-03T15:00:00Z' }));
    expect(await (await rig.drain(logged)).ended).toBe(0);
    expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 4, rows: 14 });
    const [{ batches }] = await rig.db.sql<[{ batches: number }]>`
    select count(distinct batch_id)::int as batches from auditbox.log_entry`;
    expect(batches).toBe(4);
  },
);

test('three exporters at once make one log without gaps', async () => {
  const apps = [0, 1, 2].map(() => rig.start([], { ...logged, EXPORT_BATCH_MAX_ROWS: '2' }));
  for (let hour = 14; hour < 18; hour += 1)
    await rig.db.store(someEvents(20, { updated_at: `2026-07-03T${hour}:00:00Z` }));
  await eventually(async () => {
    const [head] = await rig.db.sql`select size, published_size from auditbox.log_head`;
    expect(head).toEqual({ size: '46', published_size: '46' });
  });
  for (const app of apps) app.signal('SIGTERM');
  await Promise.all(apps.map(({ ended }) => ended));
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 46, rows: 92 });
});

test('without EXPORT_LOG_ORIGIN there is no log; turned on later, old batches are logged too', async () => {
  await rig.drain();
  expect(await listLog()).toEqual([]);
  expect(await rig.db.sql`select from auditbox.log_head`).toHaveLength(0);
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T15:00:00Z' }));
  expect(await (await rig.drain(logged)).ended).toBe(0);
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 4, rows: 14 });
});

test('a bucket that is ahead of the database blocks log and export with a sentence, and loses nothing', async () => {
  await rig.drain(logged);
  const restored = await openTestDatabase();
  await restored.store(events);
  const app = rig.start([], { ...logged, DATABASE_URL: urlAs('exporter', restored.url) });
  const blocked = await app.event('log-blocked');
  expect(blocked.reason).toContain('The bucket has a signed checkpoint of 3 batches that this database does not know');
  expect(blocked.reason).toContain('--reconcile');
  const drain = await rig.drain({ ...logged, DATABASE_URL: urlAs('exporter', restored.url) });
  expect(await drain.ended).toBe(1);
  expect(await restored.states()).toEqual({ pending: 12 });
  app.signal('SIGTERM');
  await app.ended;
  await restored.close(1_000);
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 3, rows: 12 });
});

test('a store that is away at the start delays no other destination; it gets everything once it answers', async () => {
  const receiver = await startHttpReceiver();
  let isAway = true;
  rig.proxy.intervene = { before: () => (isAway ? 'silence' : undefined) };
  const app = rig.start([], { ...logged, WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}` });
  await app.event('destination-added');
  const late = someEvents(2, { updated_at: '2026-07-03T15:00:00Z' });
  await rig.db.store(late);
  await eventually(() => {
    const bodies = receiver.requests.map(({ body }) => body).join();
    for (const { id } of late) expect(bodies).toContain(id);
  });
  await app.event('sealed-uncompared');
  expect(await rig.bucket.objects()).toEqual([]);
  const [sent] = await rig.db.sql`select count(*)::int as attempts from auditbox.delivery
    where destination = 's3' and state <> 'sealed'`;
  expect(sent).toEqual({ attempts: 0 });
  isAway = false;
  app.signal('SIGTERM');
  await app.ended;
  expect(await (await rig.drain(logged)).ended).toBe(0);
  await receiver.close();
  expect(await audit()).toMatchObject({ exitCode: 0, codes: [], rows: 14 });
});

test('a bucket that turns out to be ahead when it is back holds everything again, and gets nothing', async () => {
  await rig.drain(logged);
  const restored = await openTestDatabase();
  await restored.store(events);
  let isAway = true;
  rig.proxy.intervene = { before: () => (isAway ? { status: 503, code: 'SlowDown' } : undefined) };
  const app = rig.start([], { ...logged, DATABASE_URL: urlAs('exporter', restored.url) });
  await app.event('sealed-uncompared');
  await eventually(async () => expect(await restored.states()).toEqual({ sealed: 12 }));
  isAway = false;
  await app.event('log-blocked');
  const somePasses = async () => {
    const compared = rig.proxy.requests.length;
    await eventually(() => expect(rig.proxy.requests.length).toBeGreaterThan(compared + 5));
  };
  // A seal that was running when the log was blocked has ended then.
  await somePasses();
  await restored.store(someEvents(2, { updated_at: '2026-07-03T15:00:00Z' }));
  await somePasses();
  app.signal('SIGTERM');
  await app.ended;
  expect(await restored.states()).toEqual({ pending: 2, sealed: 12 });
  await restored.close(1_000);
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 3, rows: 12 });
});

test('--reconcile after a restore: nothing is exported twice, and the log goes on from where the bucket has it', async () => {
  const restored = await openTestDatabase(undefined, { copyOf: rig.db.url });
  const owner = { ...logged, DATABASE_URL: restored.url };
  const exporter = { ...logged, DATABASE_URL: urlAs('exporter', restored.url) };
  const lost = someEvents(3, { updated_at: '2026-07-03T11:47:00Z' });
  await eventually(() => rig.db.store(lost));
  expect(await (await rig.drain(logged)).ended).toBe(0);
  expect(await (await rig.drain(exporter)).ended).toBe(1);

  const refused = rig.start(['--reconcile'], exporter);
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toContain('needs the owner of the schema');
  expect(await runJson(['--reconcile', '--json'], owner)).toEqual({
    ...{ exitCode: 0, adopted: 3, unknown: 0, conflict: 0, foreign: 0 },
  });
  expect(await restored.states()).toEqual({ done: 12 });
  // The archive has events that the restored database lost.
  const { exitCode, differences } = await runJson(['--verify', '--json'], exporter);
  expect([exitCode, differences.map(({ code }) => code)]).toEqual([3, Array(3).fill('row-not-in-database')]);
  // A second run finds nothing to do.
  expect(await runJson(['--reconcile', '--json'], owner)).toMatchObject({ exitCode: 0, adopted: 0 });

  const later = someEvents(2, { updated_at: '2026-07-03T15:00:00Z' });
  await restored.store(later);
  expect(await (await rig.drain(exporter)).ended).toBe(0);
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 4, rows: 17 });
  await expectExactlyOnce(rig.bucket, [...ids, ...lost.map(({ id }) => id), ...later.map(({ id }) => id)]);
  await restored.close(1_000);
});

test('--reconcile adopts objects that no checkpoint names, also of events that the database lost', async () => {
  const restored = await openTestDatabase(undefined, { copyOf: rig.db.url });
  const owner = { ...logged, DATABASE_URL: restored.url };
  const lost = someEvents(3, { updated_at: '2026-07-03T11:47:00Z' });
  const unknown = someEvents(1, { updated_at: '2026-07-03T16:00:00Z' });
  await eventually(() => rig.db.store([...lost, ...unknown]));
  expect(await (await rig.drain()).ended).toBe(0);
  expect(await runJson(['--reconcile', '--json'], owner)).toMatchObject({ exitCode: 0, adopted: 3, unknown: 1 });
  expect(await (await rig.drain({ ...logged, DATABASE_URL: urlAs('exporter', restored.url) })).ended).toBe(0);
  await expectExactlyOnce(rig.bucket, [...ids, ...lost.map(({ id }) => id), ...unknown.map(({ id }) => id)]);
  expect(await audit()).toEqual({ exitCode: 0, codes: [], size: 4, rows: 16 });
  await restored.close(1_000);
});

test('another name for the same log is refused', async () => {
  await rig.drain(logged);
  const drain = await rig.drain({ ...logged, EXPORT_LOG_ORIGIN: 'log.example/other' });
  expect(await drain.ended).toBe(1);
  expect(drain.output()).toContain(
    'The log of this database is log.example/test, and EXPORT_LOG_ORIGIN is log.example/other',
  );
});

test('a name without a key, or a key that cannot sign, stops the exporter with a sentence', async () => {
  const alone = rig.start([], { EXPORT_LOG_ORIGIN: origin });
  expect(await alone.ended).toBe(1);
  expect(alone.output()).toContain('EXPORT_LOG_ORIGIN is set alone');
  const rsa = join(mkdtempSync(join(tmpdir(), 'log-')), 'rsa.pem');
  writeFileSync(
    rsa,
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
  );
  const other = rig.start([], { ...logged, EXPORT_LOG_KEY_FILE: rsa });
  expect(await other.ended).toBe(1);
  expect(other.output()).toContain('an Ed25519 private key');
});

test('a new key signs after the old key has named it, and auditors who trust either of them follow', async () => {
  await rig.drain(logged);
  const newPem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const newFile = join(mkdtempSync(join(tmpdir(), 'log-')), 'new.pem');
  writeFileSync(newFile, newPem);
  const changed = { ...logged, EXPORT_LOG_KEY_FILE: newFile };
  const drainOneMore = async (hour: number, settings: Record<string, string>) => {
    await rig.db.store(someEvents(1, { updated_at: `2026-07-03T${hour}:00:00Z` }));
    const app = await rig.drain(settings);
    return [await app.ended, app.output()] as const;
  };
  expect(await drainOneMore(14, changed)).toEqual([1, expect.stringContaining('is not the key that signed')]);
  expect(await drainOneMore(15, { ...changed, EXPORT_LOG_PREVIOUS_KEY_FILE: keyFile })).toEqual([0, expect.anything()]);
  expect(await drainOneMore(16, logged)).toEqual([1, expect.stringContaining('The log has a newer key')]);
  expect(await drainOneMore(17, changed)).toEqual([0, expect.anything()]);
  expect((await listLog()).filter((path) => path.startsWith('_log/keys/'))).toEqual(['_log/keys/000001']);
  const whole = { exitCode: 0, codes: [], size: 7, rows: 16 };
  expect(await audit('content')).toEqual(whole);
  expect(await audit('content', createKeySigner(origin, newPem).key)).toEqual(whole);
  const stranger = createKeySigner(
    origin,
    generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  );
  expect(await audit('log', stranger.key)).toMatchObject({
    exitCode: 3,
    codes: expect.arrayContaining(['key-unknown', 'checkpoint-signature']),
  });
});

test('exporters without the key cannot sign; the process of the log signs what they export', async () => {
  const { EXPORT_LOG_KEY_FILE: _, ...named } = logged;
  const keyless = { ...named, EXPORT_LOG_VERIFIER_KEY: formatVerifierKey(key) };
  expect(await (await rig.drain(keyless)).ended).toBe(0);
  expect(await listLog()).toEqual([]);
  const refused = rig.start(['--log'], keyless);
  expect([await refused.ended, refused.output()]).toEqual([1, expect.stringContaining('needs EXPORT_LOG_ORIGIN and')]);
  const signer = rig.start(['--log'], logged);
  await signer.event('checkpoint-published');
  signer.signal('SIGTERM');
  expect(await signer.ended).toBe(0);
  expect(await audit('content')).toEqual({ exitCode: 0, codes: [], size: 3, rows: 12 });
});

test('a file of the log whose upload lost its answer, and whose first read is cut, accuses nobody', async () => {
  let [lost, cut] = [0, 0];
  const isTile = (path: string) => decodeURIComponent(path).includes('_log/tile/0/');
  rig.proxy.intervene = {
    after: ({ method, path }) => {
      if (!isTile(path)) return undefined;
      if (method === 'PUT' && lost === 0) {
        lost += 1;
        return 'reset';
      }
      if (method !== 'GET' || lost === 0 || cut > 0) return undefined;
      cut += 1;
      return 'cut';
    },
  };
  const app = rig.start([], logged);
  await app.event('checkpoint-published');
  expect([lost, cut]).toEqual([1, 1]);
  expect(app.log.map(({ event }) => event)).not.toContain('log-blocked');
  expect(app.log.filter(({ event }) => event === 'log-unavailable').at(-1)?.msg).toContain('bytes arrived');
  app.signal('SIGTERM');
  await app.ended;
  cut = 0;
  expect(await verifyDatabase()).toMatchObject({ exitCode: 0, differences: [] });
  expect(cut).toBe(1);
});

test('a published checkpoint that is missing blocks the log until --verify --repair publishes it again', async () => {
  await rig.drain(logged);
  await remove('_log/checkpoints/000000000003');
  const drain = await rig.drain(logged);
  expect(await drain.ended).toBe(1);
  expect(drain.output()).toContain('The checkpoint of 3 batches was published and is missing in the bucket');
  expect(await rig.start(['--verify', '--repair'], logged).ended).toBe(0);
  expect(await (await rig.drain(logged)).ended).toBe(0);
  expect((await audit()).exitCode).toBe(0);
});

test('--verify finds no difference after an export, and says that pending rows are left', async () => {
  await rig.drain(logged);
  expect(await verifyDatabase()).toMatchObject({ exitCode: 0, objects: 3, differences: [] });
  await rig.db.store(someEvents(1));
  expect(await verifyDatabase()).toMatchObject({ exitCode: 2, differences: [{ code: 'rows-not-exported' }] });
});

test('--verify names a row that an owner changed, one that an owner deleted, and nothing else', async () => {
  await rig.drain(logged);
  await rig.db.sql.begin(async (sql) => {
    await sql`alter table auditbox.audit_log disable trigger audit_log_append_only`;
    await sql`alter table auditbox.audit_log_2026_07 disable trigger audit_log_append_only`;
    await sql`update auditbox.audit_log set changed_by = 'nobody' where id = ${ids[0] ?? ''}`;
    await sql`delete from auditbox.audit_log where id = ${ids[5] ?? ''}`;
  });
  const { exitCode, differences } = await verifyDatabase();
  expect(exitCode).toBe(3);
  expect(differences.sort((a, b) => (a.code < b.code ? -1 : 1))).toEqual([
    expect.objectContaining({ code: 'row-differs', what: ids[0], says: expect.stringMatching(/^changed_by differ/) }),
    expect.objectContaining({ code: 'row-not-in-database', what: ids[5] }),
  ]);
  expect(await verifyDatabase('--from', '2026-07-03T13:00:00Z')).toMatchObject({ exitCode: 0, objects: 1 });
  // What alerts see is the last whole comparison.
  const last = await rig.db.sql`select destination, objects, differences from auditbox.last_verify`;
  expect(last).toEqual([{ destination: 's3', objects: '3', differences: '2' }]);
  // The bucket is whole.
  expect((await audit()).exitCode).toBe(0);
});

test('--verify names a missing, an overwritten and a foreign object; --repair sends the missing one again, once', async () => {
  await rig.drain(logged);
  const [first, second] = await rig.bucket.objects();
  const lost = first?.key ?? '';
  const changed = second?.key ?? '';
  await remove(lost.slice(prefix.length));
  const put = (Key: string) =>
    rig.bucket.client.send(new PutObjectCommand({ Bucket: rig.bucket.name, Key, Body: Buffer.from('other') }));
  await put(changed);
  // The second has a number that no batch can have.
  for (const batch of ['000000000077', '9'.repeat(19)])
    await put(`${prefix}dt=2026-07-03/hour=11/114650_${batch}_0123456789ab.ndjson.gz`);
  expect((await verifyDatabase()).differences.map(({ code }) => code).sort()).toEqual([
    'object-changed',
    'object-missing',
    'object-unknown',
    'object-unknown',
  ]);
  const repaired = await verifyDatabase('--repair');
  expect(repaired.exitCode).toBe(3);
  expect(repaired.differences).toContainEqual(
    expect.objectContaining({ code: 'object-missing', what: lost, isRepaired: true }),
  );
  expect((await verifyDatabase()).differences.map(({ code }) => code).sort()).toEqual([
    'object-changed',
    'object-unknown',
    'object-unknown',
  ]);
  expect((await audit()).codes.sort()).toEqual(['object-changed', 'object-unlogged', 'object-unlogged']);
});

test('the api proves an event of the log offline, and answers carry the newest checkpoint', async () => {
  await rig.drain(logged);
  const api = await startApi(urlAs('api', rig.db.url));
  const [{ text, events: rows } = { text: '', events: [] }] = await rig.bucket.objects();
  const line = text.split('\n')[2] ?? '';
  const proof = await api.request(`/audit/${rows[2]?.id}/proof`);
  expect([proof.status, proof.headers.get('content-type')]).toEqual([200, 'text/plain; charset=utf-8']);
  const parsed = parseEventProof(proof.text);
  if (parsed === null) throw new Error('It is not a proof.');
  expect(checkEventProof(Buffer.from(line), parsed, key)).toMatchObject({ kind: 'holds', checkpoint: { size: 3 } });
  expect(checkEventProof(Buffer.from(line.replace('}', ' }')), parsed, key).kind).toBe('broken');

  const checkpoint = await api.request('/log/checkpoint');
  expect(checkpoint.text).toBe(parsed.checkpoint);
  await eventually(async () => {
    const header = (await api.request('/audit')).headers.get('auditbox-checkpoint') ?? '';
    expect(Buffer.from(header, 'base64').toString()).toBe(checkpoint.text);
  });
  const [later] = someEvents(1);
  await rig.db.store([later as (typeof events)[number]]);
  expect((await api.request(`/audit/${later?.id}/proof`)).status).toBe(404);
  expect((await api.request('/audit/00000000-0000-4000-8000-000000000000/proof')).status).toBe(404);
  expect((await api.request('/audit/x/proof')).status).toBe(400);
});

test('an evidence pack has the events of a selection, and the auditor’s command checks each of them', async () => {
  await rig.drain(logged);
  const [later] = someEvents(1, { updated_at: '2026-07-03T12:50:00Z' });
  await rig.db.store([later as (typeof events)[number]]);
  const output = join(mkdtempSync(join(tmpdir(), 'pack-')), 'pack');
  const selection = ['--from', '2026-07-03T12:00:00Z', '--to', '2026-07-03T12:59:59Z', '--output', output];
  const pack = rig.start(['--evidence', ...selection], logged);
  // One event is not logged yet.
  expect([await pack.ended, pack.output()]).toEqual([2, expect.stringContaining('4 events with their proofs')]);
  expect(readdirSync(output).sort()).toEqual(['README.txt', 'checkpoint.txt', 'events', 'key.txt', 'proofs']);
  expect(readFileSync(join(output, 'README.txt'), 'utf8')).toContain(
    '1 more event was selected and is not in the signed log yet',
  );
  const names = readdirSync(join(output, 'events'));
  expect(names.map((name) => name.slice(6, -5)).sort()).toEqual(ids.slice(4, 8).sort());

  const second = rig.start(['--evidence', ...selection.slice(0, -1), `${output}-2`, '--json'], {
    ...logged,
    LOG_LEVEL: 'fatal',
  });
  expect(await second.ended).toBe(2);
  expect(JSON.parse(second.output())).toEqual({ ok: false, folder: `${output}-2`, events: 4, unlogged: 1 });

  const program = fileURLToPath(new URL('../../../packages/verify/src/main.ts', import.meta.url));
  const check = () =>
    spawnProgram(process.execPath, [program, '--pack', output, '--key', join(output, 'key.txt')], { env: {} });
  const whole = check();
  expect([await whole.ended, whole.output()]).toEqual([0, expect.stringContaining('HOLDS: all 4 events')]);
  const file = join(output, 'events', names[1] ?? '');
  writeFileSync(file, readFileSync(file, 'utf8').replace('"updated_at":"2026', '"updated_at":"2025'));
  const changed = check();
  expect([await changed.ended, changed.output()]).toEqual([3, expect.stringContaining(`BROKEN\t${names[1]}`)]);
  // A second pack does not mix with the first.
  const again = rig.start(['--evidence', ...selection], logged);
  expect([await again.ended, again.output()]).toEqual([1, expect.stringContaining('is not empty')]);
});

interface Result {
  readonly exitCode: number;
  readonly objects: number;
  readonly differences: { code: string; what: string; says: string }[];
}

function verifyDatabase(...options: string[]): Promise<Result> {
  return runJson(['--verify', '--json', ...options], logged);
}

/** The result of a command that prints JSON. */
async function runJson(args: string[], settings: Record<string, string>): Promise<Result> {
  const app = rig.start(args, settings);
  await app.ended;
  const line = app
    .output()
    .split('\n')
    .find((text) => text.startsWith('{"exitCode"'));
  if (line === undefined) throw new Error(app.output());
  return JSON.parse(line);
}

async function remove(path: string): Promise<void> {
  await rig.bucket.client.send(new DeleteObjectCommand({ Bucket: rig.bucket.name, Key: `${prefix}${path}` }));
}
