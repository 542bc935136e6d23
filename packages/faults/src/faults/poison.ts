import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { masterKey, type Scene } from '../scene/scene.ts';
import { BrokenPromise, type Fault } from './fault.ts';

const oversize: Fault = {
  name: 'poison-too-large',
  about: 'events over the size limit, replayed later with a larger limit',
  settings: { EXPORT_BATCH_MAX_BYTES: '8192' },
  async strike({ scene, writer, day, testify }) {
    const sent = await post(scene, day, 'x'.repeat(9_000));
    await writer.acknowledged(10);
    await quarantined(scene, sent, /EXPORT_BATCH_MAX_BYTES is 8192/);
    // Otherwise one of these exporters, with the lower limit, could seal the rows first and quarantine them again.
    await retireAll(scene);
    await replay(scene);
    scene.exporters.resize(1);
    testify({ sent, quarantined: new Set() });
  },
};

const unrenderable: Fault = {
  name: 'poison-not-renderable',
  about: 'rows that cannot be rendered because their event was deleted from the table',
  async strike({ scene, writer, day, testify }) {
    const { db, exporters } = scene;
    exporters.resize(0);
    await exporters.killAll();
    const sent = await post(scene, day, 'poison');
    const ids = new Set(sent.map(({ id }) => id));
    // The api and INSERT cannot make such a row. A damaged table can.
    await db.sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`delete from audit_log where id in ${tx([...ids])}`;
    });
    await writer.acknowledged(10);
    exporters.resize(1);
    await quarantined(scene, sent, /is not there any more/);
    testify({ sent, quarantined: ids });
  },
};

async function post({ apis }: Scene, day: string, value: string): Promise<readonly WireEvent[]> {
  const events = [11, 12, 23].map((hour) => anEvent({ updated_at: `${day}T${hour}:00:00Z`, updated_values: value }));
  for (const event of events) {
    const [api] = apis.members;
    const answer = await fetch(`http://127.0.0.1:${await api?.port}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    if (!answer.ok) throw new BrokenPromise(`The api rejected the event: ${await answer.text()}`);
  }
  return events;
}

async function quarantined({ db }: Scene, events: readonly WireEvent[], reason: RegExp): Promise<void> {
  for (;;) {
    const rows = await db.sql<{ error: string }[]>`
      select last_error as error from outbox_status
      where state = 'quarantined' and audit_id in ${db.sql(events.map(({ id }) => id))}`;
    const other = rows.find(({ error }) => !reason.test(error));
    if (other) throw new BrokenPromise(`Quarantined for another reason: ${other.error}`);
    if (rows.length === events.length) return;
    await sleep(50);
  }
}

async function retireAll({ exporters }: Scene): Promise<void> {
  exporters.resize(0);
  await Promise.all([...exporters.members].map(({ app }) => app.ended));
}

async function replay({ exporterEnv }: Scene): Promise<void> {
  const main = fileURLToPath(new URL('../../../../apps/exporter/src/main.ts', import.meta.url));
  const env = { ...exporterEnv, EXPORT_BATCH_MAX_BYTES: '100000' };
  const command = spawnProgram(process.execPath, [main, '--replay-failed'], { env });
  const code = await command.ended;
  if (code !== 0) throw new BrokenPromise(`--replay-failed ended with ${code}: ${command.output()}`);
}

export const poison: readonly Fault[] = [oversize, unrenderable];
