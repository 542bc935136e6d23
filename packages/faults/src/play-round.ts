import { within } from '@auditbox/core/within.ts';
import type { Aftermath, Fault } from './faults/fault.ts';
import type { Judge } from './oracle/judge.ts';
import { createRandom, type Random } from './random.ts';
import type { SceneCell } from './scene/cell.ts';
import { patienceMs as patienceByPace } from './scene/pace.ts';
import { type Scene, strikeAt } from './scene/scene.ts';
import { waitUntilExported } from './scene/wait-until-exported.ts';
import { startWriter } from './scene/writer.ts';

/** Result of one round. */
export interface RoundResult {
  /** Number of acknowledged events. */
  readonly events: number;
  readonly lost: number;
  readonly doubled: number;
  readonly problems: readonly string[];
  /** From the end of the fault, such as a kill, to the next finished batch. Null when no batch was left. */
  readonly nextDoneMs: number | null;
  /** From the end of the fault until all acknowledged events were in the bucket. */
  readonly allDoneMs: number;
  /** The longest time without an acknowledged event. */
  readonly silenceMs: number;
  /** False when the fault may still be active. Then the scene cannot be used again. */
  readonly isOver: boolean;
}

export interface RoundPlan {
  readonly fault: Fault;
  readonly seed: number;
  /** Counted from 0. Seed, fault and round determine all random choices. */
  readonly round: number;
  readonly holdMs: number;
  /** Number of events in the history that a new destination gets. */
  readonly historyRows: number;
}

/** What inserting, exporting and delivering a row of a history may cost on a busy machine. */
const patienceMsPerHistoryRow = 1;

const dayMs = 86_400_000;

/** Writes events, causes the fault during the writing, waits until all events are exported, and judges. */
export async function playRound(scene: Scene, judge: Judge, plan: RoundPlan): Promise<RoundResult> {
  const { fault, seed, round, holdMs, historyRows } = plan;
  const randomFor = (what: string) => createRandom(seed, `${fault.name} ${round} ${what}`);
  const day = new Date(Date.UTC(2020, 0, 1) + round * dayMs).toISOString().slice(0, 10);
  const writer = startWriter(scene.apis, { day, valueBytes: fault.valueBytes }, [
    randomFor('first caller'),
    randomFor('second caller'),
  ]);
  const patienceMs =
    patienceByPace[scene.pace] + holdMs + (fault.needsHistory ? historyRows * patienceMsPerHistoryRow : 0);
  const problems: string[] = [];
  let isOver = true;
  let recoveryFrom: number | null = null;
  let aftermath: Aftermath = { sent: [], rejected: new Set() };
  try {
    const recoveryBegins = () => {
      recoveryFrom = Date.now();
    };
    const testify = (given: Aftermath) => {
      aftermath = given;
    };
    const random = randomFor('fault');
    const struck = strikeAt(scene, chooseCell(scene, fault, randomFor('cell')));
    await withPatience(
      fault.strike({ scene: struck, writer, day, random, holdMs, historyRows, recoveryBegins, testify }),
      patienceMs,
    );
    recoveryFrom ??= Date.now();
    // The api must accept events after the fault.
    await withPatience(writer.acknowledged(1), patienceMs);
  } catch (error) {
    isOver = false;
    problems.push(formatError(error));
  }
  await writer.stop();
  await waitUntilExported(scene).catch((error: unknown) => problems.push(formatError(error)));
  problems.push(...writer.wrongResponses);
  const sent = new Map(writer.sent);
  for (const event of aftermath.sent) sent.set(event.id, { event, outcome: 'acknowledged' });
  const verdict = await judge
    .judge({ day, sent, rejected: aftermath.rejected, inserted: aftermath.inserted ?? new Set() })
    .catch((error: unknown) => ({
      lost: 0,
      doubled: 0,
      problems: [`The round could not be judged: ${formatError(error)}`],
    }));
  const times = await recovery(scene, recoveryFrom ?? Date.now()).catch((error: unknown) => {
    problems.push(formatError(error));
    return { nextDoneMs: null, allDoneMs: 0 };
  });
  return {
    events: [...sent.values()].filter(({ outcome }) => outcome === 'acknowledged').length,
    lost: verdict.lost,
    doubled: verdict.doubled,
    problems: [...problems, ...verdict.problems],
    silenceMs: writer.longestSilenceMs,
    isOver,
    ...times,
  };
}

/** A server with a small disk or its own clock is the first one. */
function chooseCell({ cells }: Scene, { needsSmallDisk, needsServerClock }: Fault, random: Random): SceneCell {
  return needsSmallDisk || needsServerClock ? (cells[0] as SceneCell) : random.pick(cells);
}

function formatError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function withPatience<T>(work: Promise<T>, patienceMs: number): Promise<T> {
  return within<T, never>(patienceMs, work, () => {
    throw new Error(`The fault was not over after ${patienceMs} ms.`);
  });
}

interface Recovery {
  readonly nextDoneMs: number | null;
  readonly allDoneMs: number;
}

/** Over all cells: the first finished batch, and the last one. */
async function recovery({ cells }: Scene, from: number): Promise<Recovery> {
  const times = await Promise.all(cells.map((cell) => recoveryOfCell(cell, from)));
  const first = times.flatMap(({ nextDoneMs }) => nextDoneMs ?? []);
  return {
    nextDoneMs: first.length === 0 ? null : Math.min(...first),
    allDoneMs: Math.max(...times.map(({ allDoneMs }) => allDoneMs)),
  };
}

async function recoveryOfCell({ db }: SceneCell, from: number): Promise<Recovery> {
  const [row] = await db.sql<{ next: number | null; last: number | null }[]>`
    select (extract(epoch from min(done_at)) * 1000)::float8 as next,
      (extract(epoch from max(done_at)) * 1000)::float8 as last
    from auditbox.delivery
    -- A fault may have set the clock of the database ahead.
    where destination = 's3' and done_at between to_timestamp(${from / 1000}::float8) and clock_timestamp()`;
  const { next = null, last = null } = row ?? {};
  return { nextDoneMs: next === null ? null : next - from, allDoneMs: last === null ? 0 : last - from };
}
