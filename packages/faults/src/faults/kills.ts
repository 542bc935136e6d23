import { setTimeout as sleep } from 'node:timers/promises';
import type { CrashPoint } from '@auditbox/process/crash-point.ts';
import type { Fault } from './fault.ts';
import { inARow, killAt } from './kill-at.ts';
import { killedInLog } from './killed-in-log.ts';
import { killedInReconciliation } from './killed-in-reconciliation.ts';
import { waitFor } from './wait-for.ts';

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
