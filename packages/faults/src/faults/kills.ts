import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createKeySigner, formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import type { CrashPoint } from '@auditbox/process/crash-point.ts';
import { someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { checkLog } from '../oracle/check-log.ts';
import type { Scene } from '../scene/scene.ts';
import { BrokenPromise, type Fault, type Strike } from './fault.ts';

/**
 * Smallest and largest number of consecutive kills at one point: the next process is killed at the same point. An api
 * starts more slowly, so it is killed less often. With default settings each kill may cost a lease time.
 */
const inARow = {
  quick: { exporters: [3, 12], apis: [1, 5] },
  default: { exporters: [1, 1], apis: [1, 1] },
} as const;

const exporterPoints: readonly (readonly [name: string, point: CrashPoint, about: string])[] = [
  ['before-seal', 'exporter before the seal', 'killed before the seal'],
  ['after-seal', 'exporter after the seal', 'killed after the seal'],
  ['after-lease', 'exporter after the lease', 'killed with a lease, before rendering'],
  ['while-rendering', 'exporter while rendering', 'killed while rendering'],
  ['before-upload', 'exporter before the upload', 'killed before the PUT'],
  ['after-upload', 'exporter after the upload', 'killed after the PUT, before the batch is marked done'],
  ['after-mark', 'exporter after the mark', 'killed after the batch is marked done'],
];

const exporterKills = exporterPoints.map(
  ([name, point, about]): Fault => ({
    name: `exporter-killed-${name}`,
    about: `exporters ${about}`,
    // Two chunks or more, because the crash point is between two chunks.
    ...(name === 'while-rendering' && { valueBytes: 80_000 }),
    strike: (strike) => killAt(strike, 'exporters', point),
  }),
);

/** Half of the request reaches the store. The exporter dies before it sends the other half. */
const killedInMidBody: Fault = {
  name: 'exporter-killed-in-mid-body',
  about: 'exporters killed when half of the PUT is sent',
  alone: true,
  needsLies: true,
  async strike({ scene: { exporters, proxy, pace }, random }) {
    if (!proxy) throw new Error('This fault needs the S3 proxy.');
    const [least, most] = inARow[pace].exporters;
    let left = random.between(least, most);
    const { promise: over, resolve } = Promise.withResolvers<void>();
    proxy.intervene = {
      before: async ({ method, path }) => {
        if (method !== 'PUT' || !path.includes('.ndjson.') || left === 0) return undefined;
        left -= 1;
        await exporters.killAll();
        if (left === 0) resolve();
        return 'half the body';
      },
    };
    await over;
    proxy.intervene = {};
  },
};

/** At the kill, the request may be unsent, partly received or stored. */
const killedDuringUpload: Fault = {
  name: 'exporter-killed-during-upload',
  about: 'exporters killed a few milliseconds into the PUT',
  strike: (strike) => killAt(strike, 'exporters', 'exporter before the upload', strike.random.between(1, 10)),
};

const killedInShutdown: Fault = {
  name: 'exporter-killed-in-shutdown',
  about: 'exporters that get SIGTERM, then SIGKILL while they finish',
  alone: true,
  async strike({ scene: { exporters, pace }, writer, random }) {
    const [least, most] = inARow[pace].exporters;
    const times = random.between(least, most);
    exporters.arm({ FAULT_POINT: 'exporter in shutdown' }, times);
    await exporters.killAll();
    for (let left = times; left > 0; left -= 1) {
      const { app, port } = await exporters.armed();
      await port;
      await writer.acknowledged(1);
      app.signal('SIGTERM');
      await app.ended;
    }
  },
};

const apiKills: readonly Fault[] = [
  {
    name: 'api-killed-before-write',
    about: 'apis killed before the statement is sent',
    strike: (strike) => killAt(strike, 'apis', 'api before the write'),
  },
  {
    name: 'api-killed-after-commit',
    about: 'apis killed after the commit, before the response',
    strike: (strike) => killAt(strike, 'apis', 'api after the commit'),
  },
  {
    name: 'api-killed-in-transaction',
    about: 'apis killed while their INSERT waits for a lock',
    alone: true,
    async strike({ scene: { db, apis }, random }) {
      await db.sql.begin(async (tx) => {
        await tx`lock table auditbox.audit_log in share mode`;
        await waitFor(tx, (sql) => sql`select from pg_locks where not granted`);
        await sleep(random.between(0, 30));
        await apis.killAll();
      });
    },
  },
];

const killedAtRandom: Fault = {
  name: 'killed-at-random',
  about: 'apis and exporters killed at random moments',
  async strike({ scene: { apis, exporters }, random }) {
    exporters.resize(2);
    for (let left = random.between(2, 8); left > 0; left -= 1) {
      await sleep(random.between(0, 400));
      const fleet = random.chance(25) ? apis : exporters;
      const { app } = random.pick([...fleet.members]) ?? {};
      app?.signal('SIGKILL');
      await app?.ended;
    }
    exporters.resize(1);
  },
};

/**
 * Somebody moved the frontier past rows that are in no batch, and events were written while the trigger was off. Only the
 * reconciliation finds both. It is killed between two blocks.
 */
const killedInReconciliation: Fault = {
  name: 'exporter-killed-in-reconciliation',
  about: 'exporters killed between two blocks of the reconciliation, which finds rows that a wrong frontier lost',
  alone: true,
  async strike({ scene, writer, day, random, testify }) {
    const { db, exporters } = scene;
    await writer.acknowledged(20);
    exporters.resize(0);
    await exporters.killAll();
    await writer.acknowledged(10);
    const sent = await insertWithoutTrigger(scene, day);
    await db.sql`
      update auditbox.frontier
      set sealed_up_to = (select max(id) from auditbox.outbox), gaps = '{}', closing = '{}', closing_xid = null`;
    exporters.arm({ FAULT_POINT: 'exporter between two blocks of the reconciliation' }, random.between(1, 3));
    exporters.resize(1);
    await exporters.disarmed();
    await waitFor(
      db.sql,
      (sql) => sql`
        select where not exists (
          select from auditbox.audit_log a
          where not exists (select from auditbox.outbox o where o.audit_id = a.id))`,
    );
    testify({ sent, rejected: new Set() });
  },
};

/** The trigger is on again when this resolves. */
async function insertWithoutTrigger({ db }: Scene, day: string): Promise<readonly WireEvent[]> {
  const events = someEvents(3, { updated_at: `${day}T11:00:00Z`, updated_values: { trigger: 'off' } });
  await db.sql.begin(async (tx) => {
    await tx`alter table auditbox.audit_log disable trigger audit_log_to_outbox`;
    for (const { id, changed_by, action, table_name, object_id, before_value, updated_values } of events) {
      await tx`
        insert into auditbox.audit_log
          (id, occurred_at, occurred_at_digits, changed_by, action, table_name, object_id, before_value, updated_values)
        values (${id}, ${`${day}T11:00:00Z`}::text::timestamptz, 0, ${changed_by}, ${action}, ${table_name}, ${object_id},
          ${JSON.stringify(before_value)}::text::json, ${JSON.stringify(updated_values)}::text::json)`;
    }
    await tx`alter table auditbox.audit_log enable always trigger audit_log_to_outbox`;
  });
  return events;
}

async function killAt(
  { scene, random }: Strike,
  which: 'apis' | 'exporters',
  point: CrashPoint,
  delayMs = 0,
): Promise<void> {
  const fleet = scene[which];
  const variables = { FAULT_POINT: point, FAULT_HIT: String(random.between(1, 2)), FAULT_DELAY_MS: String(delayMs) };
  const [least, most] = inARow[scene.pace][which];
  const struckBefore = fleet.struck;
  fleet.arm(variables, random.between(least, most));
  await fleet.killAll();
  await fleet.disarmed();
  if (fleet.struck === struckBefore) throw new BrokenPromise(`No process reached the crash point "${point}".`);
}

const logOrigin = 'faults.example/log';
const logKeyFile = join(mkdtempSync(join(tmpdir(), 'auditbox-faults-')), 'log-key.pem');
const logKey = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
writeFileSync(logKeyFile, logKey, { mode: 0o600 });

const logPoints = [
  'log before the numbering',
  'log after the numbering',
  'log after a tile',
  'log after the root',
  'log after the note',
  'log after the checkpoint',
] as const satisfies readonly CrashPoint[];

/** What an auditor's command sees afterwards decides. */
const killedInLog: Fault = {
  name: 'exporter-killed-in-log',
  about: 'exporters killed while they number, sign and publish the log of batches',
  settings: { EXPORT_LOG_ORIGIN: logOrigin, EXPORT_LOG_KEY_FILE: logKeyFile, EXPORT_LOG_INTERVAL_MS: '200' },
  async strike(strike) {
    const { scene, random } = strike;
    await killAt(strike, 'exporters', random.pick(logPoints));
    const [{ size }] = await scene.db.sql<[{ size: string }]>`select size from auditbox.log_head`;
    await waitFor(scene.db.sql, (sql) => sql`select from auditbox.log_head where published_size > ${size}`);
    const problems = await checkLog(scene, formatVerifierKey(createKeySigner(logOrigin, logKey).key));
    if (problems.length > 0) throw new BrokenPromise(`The log is broken: ${problems.join('; ')}`);
  },
};

type Sql = Scene['db']['sql'];

/** Repeats the query until it returns a row. */
async function waitFor<S extends Pick<Sql, 'unsafe'>>(
  sql: S,
  query: (sql: S) => PromiseLike<readonly unknown[]>,
): Promise<void> {
  while ((await query(sql)).length === 0) await sleep(20);
}

export const kills: readonly Fault[] = [
  ...exporterKills,
  killedInMidBody,
  killedDuringUpload,
  killedInShutdown,
  killedInReconciliation,
  killedInLog,
  ...apiKills,
  killedAtRandom,
];
