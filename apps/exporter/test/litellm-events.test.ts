import { existsSync, readFileSync } from 'node:fs';
import { createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { exporterEnv } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { createTestBucket } from '@auditbox/testing/servers/bucket.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { expect, inject, test } from 'vitest';

/** Shaped like the events of a LiteLLM proxy: values of every kind, an empty key, long floats. */
const shaped = [
  anEvent({
    updated_at: '2026-07-03T11:46:50.269000Z',
    action: 'created',
    table_name: 'LiteLLM_VerificationToken',
    before_value: null,
    updated_values: {
      key: 'sk-A***Z',
      spend: 0,
      config: {},
      models: [],
      user_id: 'default_user_id',
      auto_rotate: false,
    },
  }),
  anEvent({
    updated_at: '2026-07-03T11:49:50.071000Z',
    before_value: { spend: 0, teams: ['a'] },
    updated_values: { spend: 0.1 },
  }),
  anEvent({
    updated_at: '2026-07-03T11:30:59.385000Z',
    changed_by_api_key: '',
    before_value: { spend: 0.01098520000000001 },
  }),
  anEvent({ updated_at: '2026-07-03T11:48:12.979000Z', action: 'deleted', updated_values: {} }),
];

/** Four events that a real LiteLLM wrote. They may not be copied into the project, so they are read from their folder. */
const realFile = new URL('../../../../shared/data/litellm-audit.ndjson', import.meta.url);

test.each([['shaped like', () => shaped], ...(existsSync(realFile) ? [['of', readReal] as const] : [])] as const)(
  "events %s LiteLLM's go in through POST and come out of the bucket and of GET equal, field by field",
  async (_what, read) => {
    const events = read() as { id: string; updated_at: string }[];
    const api = await createApiFixture();
    const bucket = await createTestBucket(inject('s3Endpoint'));
    for (const body of events) expect((await api.request('/audit', { body })).status).toBe(201);
    const env = exporterEnv({ databaseUrl: api.db.url, endpoint: inject('s3Endpoint'), bucket: bucket.name });
    expect(await spawnApp('exporter/src/main.ts', env, ['--once']).ended).toBe(0);

    const [object, ...others] = await bucket.objects();
    expect(others).toEqual([]);
    expect(object?.key).toMatch(/^audit_logs\/dt=2026-07-03\/hour=11\/113059_/);
    const added = { context: null, recorded_at: expect.any(String), recorded_by: 'key:master' };
    const byTime = events
      .toSorted((a, b) => a.updated_at.localeCompare(b.updated_at))
      .map((event) => ({ ...event, ...added }));
    expect(object?.events).toEqual(byTime);
    expect((await api.request('/audit?sort_order=asc')).body.audit_logs).toEqual(byTime);
    const exported = {
      state: 'done',
      object_key: object?.key,
      sha256: object?.metadata.sha256,
      exported_at: expect.any(String),
    };
    for (const event of events) {
      expect((await api.request(`/audit/${event.id}`)).body).toEqual({
        ...event,
        ...added,
        export: exported,
        deliveries: [{ destination: 's3', state: 'done', delivered_at: expect.any(String) }],
      });
    }
    await api.close();
  },
);

function readReal(): unknown[] {
  return readFileSync(realFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}
