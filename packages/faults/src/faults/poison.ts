import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { idOfCell, type Scene } from '../scene/scene.ts';
import { BrokenPromise, type Fault } from './fault.ts';
import { postEvents } from './post-events.ts';

const oversize: Fault = {
  name: 'poison-too-large',
  about: 'events over the size limit of a batch, which are sealed alone and exported',
  settings: { EXPORT_BATCH_MAX_BYTES: '8192' },
  async strike({ scene, writer, day, random, testify }) {
    const sent = await post(scene, day, 'x'.repeat(9_000));
    await scene.exporters.killAll();
    await writer.acknowledged(random.between(1, 10));
    await inState(scene, sent, 'done');
    testify({ sent, rejected: new Set() });
  },
};

const unrenderable: Fault = {
  name: 'poison-not-renderable',
  about: 'rows that are rejected because their event was deleted from the table',
  async strike({ scene, writer, day, testify }) {
    const { db, exporters } = scene;
    exporters.resize(0);
    await exporters.killAll();
    const sent = await post(scene, day, 'poison');
    const ids = new Set(sent.map(({ id }) => id));
    // The api and INSERT cannot make such a row. A damaged table can.
    await db.sql.begin(async (tx) => {
      await tx`alter table auditbox.audit_log disable trigger audit_log_append_only`;
      await tx`delete from auditbox.audit_log where id in ${tx([...ids])}`;
      await tx`alter table auditbox.audit_log enable always trigger audit_log_append_only`;
    });
    await writer.acknowledged(10);
    exporters.resize(1);
    await inState(scene, sent, 'rejected', /not in the database any more/);
    testify({ sent, rejected: ids });
  },
};

/** The store refuses each upload for a while. The failed deliveries are replayed. */
const refused: Fault = {
  name: 'poison-refused-then-replayed',
  about: 'deliveries that S3 refuses for ever, replayed after the store takes them',
  needsLies: true,
  alone: true,
  async strike({ scene, writer, day, testify }) {
    const { proxy, exporters } = scene;
    if (!proxy) throw new Error('This fault needs the S3 proxy.');
    proxy.intervene = {
      before: ({ method, path }) =>
        method === 'PUT' && path.includes('.ndjson.') ? { status: 400, code: 'EntityTooLarge' } : undefined,
    };
    const sent = await post(scene, day, 'refused');
    await writer.acknowledged(5);
    await inState(scene, sent, 'failed');
    proxy.intervene = {};
    await replay(scene);
    exporters.resize(1);
    testify({ sent, rejected: new Set() });
  },
};

/** Events of the struck cell. */
async function post(scene: Scene, day: string, value: string): Promise<readonly WireEvent[]> {
  const events = [11, 12, 23].map((hour) =>
    anEvent({ id: idOfCell(scene), updated_at: `${day}T${hour}:00:00Z`, updated_values: value }),
  );
  await postEvents(scene, events);
  return events;
}

/** Waits until the view shows these events in `state`. */
async function inState({ db }: Scene, events: readonly WireEvent[], state: string, reason?: RegExp): Promise<void> {
  for (;;) {
    const rows = await db.sql<{ error: string | null }[]>`
      select last_error as error from auditbox.outbox_status
      where state = ${state} and audit_id in ${db.sql(events.map(({ id }) => id))}`;
    const other = rows.find(({ error }) => reason && !reason.test(error ?? ''));
    if (other) throw new BrokenPromise(`It is ${state} for another reason: ${other.error}`);
    if (rows.length === events.length) return;
    await sleep(50);
  }
}

/** In each cell: the store refused the uploads of all. */
async function replay({ cells }: Scene): Promise<void> {
  await Promise.all(cells.map(({ exporterEnv }) => replayCell(exporterEnv)));
}

async function replayCell(exporterEnv: Scene['exporterEnv']): Promise<void> {
  const main = fileURLToPath(new URL('../../../../apps/exporter/src/main.ts', import.meta.url));
  const command = spawnProgram(process.execPath, [main, '--replay-failed'], { env: exporterEnv });
  const code = await command.ended;
  if (code !== 0) throw new BrokenPromise(`--replay-failed ended with ${code}: ${command.output()}`);
}

export const poison: readonly Fault[] = [oversize, unrenderable, refused];
