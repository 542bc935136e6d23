import { randomUUID } from 'node:crypto';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* A bucket in which some objects lie in folders of tenants, and older ones do not. */

const day = '2026-07-03';
const at = (hour: number) => `${day}T${hour}:00:00Z`;
const inBoth = randomUUID();
const ofAcme = randomUUID();
const lateOfAcme = randomUUID();
const ofNobody = randomUUID();

let fixture: ArchiveFixture;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  await fixture.insert([{ id: inBoth, at: at(11), tenant: 'acme' }]);
  await fixture.drain();
  await fixture.insert([
    { id: ofAcme, at: at(12), tenant: 'acme' },
    { id: lateOfAcme, at: '2026-07-04T12:00:00Z', tenant: 'acme' },
    { id: randomUUID(), at: at(12), tenant: 'acme-b' },
    { id: randomUUID(), at: at(12), tenant: 'a/c' },
    { id: ofNobody, at: at(12) },
  ]);
  await fixture.drain({ EXPORT_BY_TENANT: 'true' });
});
afterAll(async () => {
  await endApps();
  await fixture.close();
});

const idsIn = (output: string) =>
  output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).id)
    .sort();
const ofDay = ['--from', `${day}T00:00:00Z`, '--to', `${day}T23:59:59Z`];

test('find reads the objects of all tenants, and those of a range alone', async () => {
  const all = await fixture.archive(['find', '--tenant', 'acme', '--json']);
  expect(idsIn(all.output)).toEqual([inBoth, ofAcme, lateOfAcme].sort());
  const some = await fixture.archive(['find', '--tenant', 'acme', '--json', ...ofDay]);
  expect(idsIn(some.output)).toEqual([inBoth, ofAcme].sort());
});

test('get finds an event in the folder of its tenant, and one of no tenant', async () => {
  for (const id of [lateOfAcme, ofNobody]) expect(idsIn((await fixture.archive(['get', id])).output)).toEqual([id]);
});

test('a compacted file lies in its tenant’s folder, holds that tenant’s events alone, and a query reads each event once', async () => {
  const compacted = await fixture.archive(['compact', '--day', day, '--json']);
  const { files } = JSON.parse(compacted.output);
  expect(files.map((file: string) => file.replace(/[^/]+$/, '')).sort()).toEqual(
    ['', 'tenant=__HIVE_DEFAULT_PARTITION__/', 'tenant=a%2Fc/', 'tenant=acme-b/', 'tenant=acme/'].map(
      (folder) => `parquet/audit_logs/${folder}dt=${day}/`,
    ),
  );
  const counted = await fixture.archive([
    'query',
    'select count(*)::int as n, count(distinct id)::int as ids from events',
    '--json',
  ]);
  expect(JSON.parse(counted.output)).toEqual({ n: 6, ids: 6 });
  const { client, name: Bucket } = fixture.bucket;
  const { Contents = [] } = await client.send(
    new ListObjectsV2Command({ Bucket, Prefix: 'parquet/audit_logs/_manifests' }),
  );
  expect(Contents).toHaveLength(10);
});
