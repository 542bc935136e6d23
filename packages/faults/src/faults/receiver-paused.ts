import { fileURLToPath } from 'node:url';
import { pauseDestination } from '@auditbox/db/export/destinations.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { throughLine } from '../scene/cell.ts';
import { receiverName } from '../scene/receiver.ts';
import { idOfCell, type Scene } from '../scene/scene.ts';
import { BrokenPromise, type Fault } from './fault.ts';
import { expectOneKeyEach, expectTaken, judgeReceiver, receiverOf, webhook } from './judge-receiver.ts';
import { postEvents } from './post-events.ts';
import { waitFor } from './wait-for.ts';

/** Retention finds both months past their time while a paused destination still lacks some of their events. */
export const receiverPaused: Fault = {
  name: 'receiver-paused-over-a-month',
  about: "a webhook that is paused over a month's end, while retention wants to remove both months",
  destination: webhook,
  alone: true,
  async strike(strike) {
    const { scene, writer, day, random, testify } = strike;
    const receiver = receiverOf(scene);
    const first = receiver.received.length;
    const months = twoMonths(day);
    const endOfFirst = new Date(Date.parse(months[1].start) - 1).toISOString();
    const early = makeEvents(scene, endOfFirst);
    await postEvents(scene, early);
    if (random.chance(50)) await inState(scene, early, receiverName, 'done');
    await pauseDestination(scene.db, receiverName, true);
    const late = [...makeEvents(scene, endOfFirst), ...makeEvents(scene, months[1].start)];
    await postEvents(scene, late);
    testify({ sent: [...early, ...late], rejected: new Set() });
    await writer.acknowledged(5);
    await inState(scene, [...early, ...late], 's3', 'done');
    const taken = receiver.takenIds();
    if (late.some(({ id }) => taken.has(id))) throw new BrokenPromise('A paused destination was delivered to.');

    await expectRetention(scene, months, { outcome: 'kept', exitCode: 2, args: [] });
    if (random.chance(50)) await scene.exporters.killAll();
    await pauseDestination(scene.db, receiverName, false);
    await judgeReceiver(strike);
    const ids = [...early, ...late].map(({ id }) => id);
    expectTaken(receiver, ids);
    expectOneKeyEach(receiver, first);
    // Retention removes nothing before each batch is given to the destination, also the batches of earlier rounds.
    await historyAdded(scene);
    // A dry run, because the judge compares the events of this round with the bucket.
    await expectRetention(scene, months, { outcome: 'removed', exitCode: 0, args: ['--dry-run'] });
  },
};

interface Month {
  readonly name: string;
  readonly start: string;
}

/**
 * Two months next to each other. Later rounds have earlier ones, so that the months of earlier rounds are never past their
 * time.
 */
function twoMonths(day: string): readonly [Month, Month] {
  const round = Math.round((Date.parse(day) - Date.UTC(2020, 0, 1)) / 86_400_000);
  return [monthOf(10 - 2 * round), monthOf(11 - 2 * round)];
}

/** Month 0 is January 2019. */
function monthOf(index: number): Month {
  const start = new Date(Date.UTC(2019, index, 1)).toISOString();
  return { name: `audit_log_${start.slice(0, 7).replace('-', '_')}`, start };
}

function makeEvents(scene: Scene, at: string): WireEvent[] {
  return Array.from({ length: 10 }, () => anEvent({ id: idOfCell(scene), updated_at: at, updated_values: 'month' }));
}

async function inState({ db }: Scene, events: readonly WireEvent[], destination: string, state: string): Promise<void> {
  await waitFor(
    db.sql,
    (sql) => sql`
      select from auditbox.outbox_status
      where destination = ${destination} and state = ${state} and audit_id in ${sql(events.map(({ id }) => id))}
      having count(*) = ${events.length}`,
  );
}

async function historyAdded({ db }: Scene): Promise<void> {
  await waitFor(
    db.sql,
    (sql) => sql`select from auditbox.destination where name = ${receiverName} and history_behind is null`,
  );
}

/** Runs retention, which finds exactly these months past their time. */
async function expectRetention(
  scene: Scene,
  months: readonly [Month, Month],
  { outcome, exitCode, args }: { outcome: string; exitCode: number; args: readonly string[] },
): Promise<void> {
  const main = fileURLToPath(new URL('../../../../apps/exporter/src/main.ts', import.meta.url));
  const end = Date.parse(months[1].start);
  const monthAfter = Date.UTC(new Date(end).getUTCFullYear(), new Date(end).getUTCMonth() + 1, 1);
  const env = {
    ...scene.exporterEnv,
    DATABASE_URL: throughLine(scene, 'retention'),
    AUDIT_RETENTION_DAYS: String(Math.floor((Date.now() - monthAfter) / 86_400_000)),
  };
  const command = spawnProgram(process.execPath, [main, '--retention', '--json', ...args], { env });
  const code = await command.ended;
  const line = command
    .output()
    .split('\n')
    .find((text) => text.startsWith('{"dryRun"'));
  const found: readonly { readonly month: string; readonly outcome: string }[] = JSON.parse(
    line ?? '{"months":[]}',
  ).months;
  for (const { name } of months) {
    const result = found.find(({ month }) => month === name);
    if (result?.outcome !== outcome)
      throw new BrokenPromise(`Retention: ${name} is ${result?.outcome}, not ${outcome}. ${command.output()}`);
  }
  if (code !== exitCode) throw new BrokenPromise(`Retention ended with ${code}: ${command.output()}`);
}
